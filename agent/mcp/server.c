#include "agent/mcp/server.h"

#include "agent/mcp/job.h"
#include "agent/mcp/rpc.h"
#include "agent/mcp/tools.h"
#include "agent/version.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { MAX_QUEUE = 64, LIST_TTL_MS = 3600 * 1000, PROGRESS_S = 3 };

/* Newest first. Since 2025-11-25 wrong arguments are a tool's result, which the calling model sees,
 * and no error of the protocol (SEP-1303). */
static const struct revision {
    const char *name;
    bool stateless, tells_model;
} revisions[] = {{"2026-07-28", true, true},
                 {"2025-11-25", false, true},
                 {"2025-06-18", false, false},
                 {"2025-03-26", false, false},
                 {"2024-11-05", false, false}};
enum { NEWEST_HANDSHAKE = 1 };

static const char version_key[] = "io.modelcontextprotocol/protocolVersion";
static const char capabilities_key[] = "io.modelcontextprotocol/clientCapabilities";
static const char client_key[] = "io.modelcontextprotocol/clientInfo";
static const char server_key[] = "io.modelcontextprotocol/serverInfo";

static const char instructions[] =
    "Warpsmith judges CUDA kernels. list_specs names operations, get_spec tells one with its rules "
    "and a plain translation to start from, verify_candidate judges a source and says what is "
    "wrong or what to improve, profile_candidate shows where the time goes, tune_candidate finds "
    "the best constants. Times without a GPU "
    "are modelled and called so. archive_search and get_candidate show what earlier runs found.";

typedef struct call {
    struct call *next;
    cJSON *id, *args, *progress; /* progress: the token to tell it by, NULL: nobody asks */
    const mcp_tool *tool;
    const struct revision *revision;
} call;

typedef struct server {
    const mcp_options *o;
    mcp_context context;
    rpc_reader reader;
    ws_buf out;  /* what standard output has not taken yet */
    size_t done; /* of it, that was written */
    call *queue; /* the first is running when job.pid is set */
    int n_queue;
    mcp_job job;
    int told;                       /* times that the job's progress was told */
    const struct revision *session; /* agreed in initialize, NULL: not yet */
    bool ended;                     /* the input */
} server;

/* ---- the queue ---- */

static void call_free(call *c)
{
    if (c) {
        cJSON_Delete(c->id);
        cJSON_Delete(c->args);
        cJSON_Delete(c->progress);
    }
    free(c);
}

static call *find_call(const server *s, const cJSON *id)
{
    call *c = s->queue;
    while (c && !rpc_same_id(c->id, id))
        c = c->next;
    return c;
}

static void drop_call(server *s, call *c)
{
    call **at = &s->queue;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    s->n_queue--;
    call_free(c);
}

/* ---- answers ---- */

static cJSON *server_info(void)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", "warpsmith");
    cJSON_AddStringToObject(o, "title", "Warpsmith");
    cJSON_AddStringToObject(o, "version", WARPSMITH_VERSION);
    return o;
}

/* Results of the stateless revision say what they are and who made them. */
static void answer(server *s, const cJSON *id, const struct revision *r, cJSON *result)
{
    if (r && r->stateless) {
        cJSON_AddStringToObject(result, "resultType", "complete");
        cJSON_AddItemToObject(cJSON_AddObjectToObject(result, "_meta"), server_key, server_info());
    }
    rpc_put_result(&s->out, id, result);
}

static void refuse(server *s, const cJSON *id, int code, const char *why)
{
    ws_log(WS_LOG_INFO, "mcp: error %d: %s", code, why);
    rpc_put_error(&s->out, id, code, why, NULL);
}

static void add_capabilities(cJSON *result)
{
    cJSON_AddObjectToObject(cJSON_AddObjectToObject(result, "capabilities"), "tools");
}

static void note_client(server *s, const cJSON *info)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(info, "name"));
    if (name)
        snprintf(s->context.client, sizeof s->context.client, "%s", name);
}

static void initialize(server *s, const rpc_message *m)
{
    const cJSON *asked = cJSON_GetObjectItemCaseSensitive(m->params, "protocolVersion");
    if (!cJSON_IsString(asked)) {
        refuse(s, m->id, RPC_INVALID_PARAMS, "initialize needs the string 'protocolVersion'");
        return;
    }
    if (s->session) {
        refuse(s, m->id, RPC_INVALID_REQUEST, "this session is initialized");
        return;
    }
    s->session = &revisions[NEWEST_HANDSHAKE];
    for (size_t i = 0; i < WS_COUNT(revisions); i++)
        if (!revisions[i].stateless && strcmp(revisions[i].name, asked->valuestring) == 0)
            s->session = &revisions[i];
    note_client(s, cJSON_GetObjectItemCaseSensitive(m->params, "clientInfo"));
    cJSON *r = cJSON_CreateObject();
    cJSON_AddStringToObject(r, "protocolVersion", s->session->name);
    add_capabilities(r);
    cJSON_AddItemToObject(r, "serverInfo", server_info());
    cJSON_AddStringToObject(r, "instructions", instructions);
    answer(s, m->id, s->session, r);
}

static cJSON *served(void)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < WS_COUNT(revisions); i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(revisions[i].name));
    return list;
}

/* What the tools are depends on the program alone. */
static void add_caching(cJSON *result)
{
    cJSON_AddNumberToObject(result, "ttlMs", LIST_TTL_MS);
    cJSON_AddStringToObject(result, "cacheScope", "public");
}

static void discover(server *s, const rpc_message *m, const struct revision *r)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToObject(o, "supportedVersions", served());
    add_capabilities(o);
    cJSON_AddStringToObject(o, "instructions", instructions);
    add_caching(o);
    answer(s, m->id, r, o);
}

static void list_tools(server *s, const rpc_message *m, const struct revision *r)
{
    if (cJSON_GetObjectItemCaseSensitive(m->params, "cursor")) {
        refuse(s, m->id, RPC_INVALID_PARAMS, "the list has one page: no such cursor");
        return;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToObject(o, "tools", mcp_tools_json(&s->context));
    if (r->stateless)
        add_caching(o);
    answer(s, m->id, r, o);
}

static cJSON *token_of(const rpc_message *m)
{
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(m->params, "_meta");
    const cJSON *token = cJSON_GetObjectItemCaseSensitive(meta, "progressToken");
    return cJSON_IsString(token) || cJSON_IsNumber(token) ? cJSON_Duplicate(token, true) : NULL;
}

static void call_tool(server *s, const rpc_message *m, const struct revision *r)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(m->params, "name");
    const cJSON *args = cJSON_GetObjectItemCaseSensitive(m->params, "arguments");
    char why[400];
    if (!cJSON_IsString(name) || (args && !cJSON_IsObject(args))) {
        refuse(s, m->id, RPC_INVALID_PARAMS,
               "tools/call needs the string 'name' and, if any, an object 'arguments'");
        return;
    }
    const mcp_tool *t = mcp_tool_find(name->valuestring);
    if (!t) {
        snprintf(why, sizeof why, "unknown tool: %.200s", name->valuestring);
        refuse(s, m->id, RPC_INVALID_PARAMS, why);
    } else if (!mcp_check_args(t, args, why, sizeof why) && r->tells_model) {
        answer(s, m->id, r, mcp_failure(why));
    } else if (!mcp_check_args(t, args, why, sizeof why)) {
        refuse(s, m->id, RPC_INVALID_PARAMS, why);
    } else if (find_call(s, m->id)) {
        refuse(s, m->id, RPC_INVALID_REQUEST, "a request with this id is not answered yet");
    } else if (s->n_queue >= MAX_QUEUE) {
        refuse(s, m->id, RPC_BUSY, "too many calls wait");
    } else {
        call *c = ws_calloc(1, sizeof *c), **last = &s->queue;
        *c = (call){.id = cJSON_Duplicate(m->id, true),
                    .args = args ? cJSON_Duplicate(args, true) : NULL,
                    .progress = token_of(m),
                    .tool = t,
                    .revision = r};
        while (*last)
            last = &(*last)->next;
        *last = c;
        s->n_queue++;
    }
}

/* ---- requests ---- */

static bool is_stateless(const rpc_message *m)
{
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(m->params, "_meta");
    return cJSON_IsObject(meta) && cJSON_GetObjectItemCaseSensitive(meta, version_key);
}

/* The revision that a request's own _meta names, NULL after an error. */
static const struct revision *named_revision(server *s, const rpc_message *m)
{
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(m->params, "_meta");
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(meta, version_key);
    if (!cJSON_IsString(v) ||
        !cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(meta, capabilities_key))) {
        char why[200];
        snprintf(why, sizeof why, "params._meta needs the string '%s' and the object '%s'",
                 version_key, capabilities_key);
        refuse(s, m->id, RPC_INVALID_PARAMS, why);
        return NULL;
    }
    for (size_t i = 0; i < WS_COUNT(revisions); i++)
        if (revisions[i].stateless && strcmp(revisions[i].name, v->valuestring) == 0) {
            note_client(s, cJSON_GetObjectItemCaseSensitive(meta, client_key));
            return &revisions[i];
        }
    cJSON *data = cJSON_CreateObject();
    cJSON_AddItemToObject(data, "supported", served());
    cJSON_AddStringToObject(data, "requested", v->valuestring);
    rpc_put_error(&s->out, m->id, RPC_UNSUPPORTED_VERSION, "unsupported protocol version", data);
    return NULL;
}

static void request(server *s, const rpc_message *m)
{
    const struct revision *r = s->session;
    char why[200];
    if (strcmp(m->method, "initialize") == 0) {
        initialize(s, m);
        return;
    }
    if (is_stateless(m) || strcmp(m->method, "server/discover") == 0) {
        if (!(r = named_revision(s, m)))
            return;
    } else if (strcmp(m->method, "ping") == 0) {
        answer(s, m->id, r, cJSON_CreateObject());
        return;
    } else if (!r) {
        refuse(s, m->id, RPC_INVALID_REQUEST,
               "send initialize first, or name the protocol version in params._meta");
        return;
    }
    if (strcmp(m->method, "server/discover") == 0) {
        discover(s, m, r);
    } else if (strcmp(m->method, "tools/list") == 0) {
        list_tools(s, m, r);
    } else if (strcmp(m->method, "tools/call") == 0) {
        call_tool(s, m, r);
    } else {
        snprintf(why, sizeof why, "method not found: %.100s", m->method);
        refuse(s, m->id, RPC_METHOD_NOT_FOUND, why);
    }
}

static void notification(server *s, const rpc_message *m)
{
    if (strcmp(m->method, "notifications/cancelled") != 0)
        return;
    call *c = find_call(s, cJSON_GetObjectItemCaseSensitive(m->params, "requestId"));
    if (!c)
        return; /* answered already */
    ws_log(WS_LOG_INFO, "mcp: %s is cancelled", c->tool->name);
    if (c == s->queue && s->job.pid)
        mcp_job_kill(&s->job);
    drop_call(s, c);
}

static void on_line(void *ud, const char *text, size_t n)
{
    server *s = ud;
    rpc_message m;
    if (!text) {
        refuse(s, NULL, RPC_INVALID_REQUEST, "a message has 8 MiB at most");
        return;
    }
    if (strspn(text, " \t\r") == n)
        return; /* an empty line is no message */
    switch (rpc_parse(text, n, &m)) {
    case RPC_REQUEST:
        request(s, &m);
        break;
    case RPC_NOTIFICATION:
        notification(s, &m);
        break;
    case RPC_RESPONSE:
        break;
    case RPC_BAD:
        refuse(s, m.id, m.code, m.why);
        break;
    }
    rpc_message_release(&m);
}

/* ---- the job ---- */

static void remember(mcp_context *c, cJSON *result)
{
    cJSON *o = cJSON_DetachItemFromObjectCaseSensitive(result, "known");
    const char *key = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "key"));
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(o, "seconds");
    mcp_known *k = c->known, *end = k + c->n_known;
    while (key && k < end && strcmp(k->key, key) != 0)
        k++;
    if (key && k == end) {
        WS_GROW(c->known, c->n_known, c->cap_known);
        k = &c->known[c->n_known++];
        *k = (mcp_known){.key = ws_strdup(key)};
    }
    if (key) {
        k->baseline_s = cJSON_IsNumber(seconds) ? seconds->valuedouble : (double)NAN;
        ws_json_whole(cJSON_GetObjectItemCaseSensitive(o, "run"), &k->run);
    }
    cJSON_Delete(o);
}

static void finish_job(server *s, cJSON *result)
{
    call *c = s->queue;
    remember(&s->context, result);
    answer(s, c->id, c->revision, result);
    drop_call(s, c);
}

/* That a call is still at work, for clients that would give it up. */
static void tell_progress(server *s)
{
    double seconds = ws_seconds_since(s->job.start_ns);
    if (!s->queue->progress || seconds < (s->told + 1.0) * PROGRESS_S)
        return;
    s->told = (int)(seconds / PROGRESS_S);
    cJSON *params = cJSON_CreateObject();
    cJSON_AddItemToObject(params, "progressToken", cJSON_Duplicate(s->queue->progress, true));
    cJSON_AddNumberToObject(params, "progress", s->told * PROGRESS_S);
    cJSON_AddStringToObject(params, "message", "seconds at work");
    rpc_put_notification(&s->out, "notifications/progress", params);
}

static void run_jobs(server *s)
{
    char why[200];
    ws_err err = {0};
    if (!s->job.pid)
        s->told = 0;
    if (!s->job.pid && s->queue &&
        mcp_job_start(&s->job, &s->context, s->queue->tool, s->queue->args, &err))
        finish_job(s, mcp_failure(err.msg));
    if (s->job.pid)
        tell_progress(s);
    if (s->job.pid && ws_seconds_since(s->job.start_ns) > s->o->call_seconds) {
        mcp_job_kill(&s->job);
        snprintf(why, sizeof why, "%s took longer than %.0f s and was ended", s->queue->tool->name,
                 s->o->call_seconds);
        finish_job(s, mcp_failure(why));
    }
}

/* ---- the loop ---- */

static void read_input(server *s)
{
    char data[65536];
    ssize_t n = read(STDIN_FILENO, data, sizeof data);
    if (n > 0) {
        rpc_feed(&s->reader, data, (size_t)n, on_line, s);
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
        rpc_feed_end(&s->reader, on_line, s);
        s->ended = true;
    }
}

/* A pipe that poll finds writable takes PIPE_BUF bytes without waiting. false: nobody reads. */
static bool write_output(server *s)
{
    size_t left = s->out.n - s->done, part = left > 4096 ? 4096 : left;
    ssize_t n = write(STDOUT_FILENO, s->out.p + s->done, part);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    s->done += (size_t)n;
    if (s->done == s->out.n) {
        ws_buf_reset(&s->out);
        s->done = 0;
    }
    return true;
}

static int wait_ms(const server *s)
{
    if (!s->job.pid)
        return -1;
    double left = s->o->call_seconds - ws_seconds_since(s->job.start_ns);
    return left > 0 ? (int)fmin(left * 1000 + 10, s->queue->progress ? 1000 : 60000) : 0;
}

static void serve(server *s)
{
    while (!*s->o->stop) {
        run_jobs(s);
        if (s->ended && !s->queue && !s->out.n)
            break;
        if (!s->job.pid && s->queue)
            continue; /* it could not be started, and was answered */
        struct pollfd fd[3] = {{s->ended ? -1 : STDIN_FILENO, POLLIN, 0},
                               {STDOUT_FILENO, s->out.n ? POLLOUT : 0, 0},
                               {s->job.pid ? s->job.fd : -1, POLLIN, 0}};
        if (poll(fd, 3, wait_ms(s)) < 0)
            continue; /* a signal */
        if (fd[0].revents)
            read_input(s);
        if ((fd[1].revents & (POLLERR | POLLNVAL)) ||
            (s->out.n && fd[1].revents && !write_output(s)))
            break;
        cJSON *result;
        if (fd[2].revents && s->job.pid && mcp_job_read(&s->job, &result))
            finish_job(s, result);
    }
}

ws_status mcp_serve(const mcp_options *o, ws_err *err)
{
    server s = {
        .o = o,
        .context = {.archive = o->archive, .keep = o->keep, .wall_seconds = o->wall_seconds}};
    /* What a killed call leaves behind becomes ours, and is ended too. */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
        return ws_fail_errno(err, WS_EENV, "cannot become the reaper of child processes");
    serve(&s);
    mcp_job_kill(&s.job);
    while (s.queue)
        drop_call(&s, s.queue);
    for (int i = 0; i < s.context.n_known; i++)
        free(s.context.known[i].key);
    free(s.context.known);
    rpc_reader_release(&s.reader);
    ws_buf_release(&s.out);
    return WS_OK;
}
