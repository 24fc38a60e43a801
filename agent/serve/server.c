#include "agent/serve/server.h"

#include "agent/llm/extract.h"
#include "agent/serve/endpoint.h"
#include "agent/version.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/pool.h"

#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_DESCRIPTORS = 1 + 2 * 256, TURN_MS = 200, RETRY_S = 2, MAX_JOBS = 256 };

typedef struct server {
    const serve_options *o;
    serve_judge_options judging;
    web_server *http;
    serve_specs *specs;
    serve_judge *judge;
    int64_t start_ns;
    bool stopping;
    double tokens;       /* of the rate: one a request */
    int64_t tokens_ns;
    char refusal[600];   /* text of the last one */
} server;

/* ---- errors: one shape ---- */

static void error_json(const char *code, const char *message, const char *hint, ws_buf *out)
{
    cJSON *o = cJSON_CreateObject(), *e = cJSON_AddObjectToObject(o, "error");
    char *valid = ws_utf8_valid(message);
    cJSON_AddStringToObject(e, "code", code);
    cJSON_AddStringToObject(e, "message", valid);
    if (hint && *hint)
        cJSON_AddStringToObject(e, "hint", hint);
    ws_json_print(o, false, out);
    cJSON_Delete(o);
    free(valid);
}

static bool refuse(server *s, web_answer *out, int status, const char *code, const char *message)
{
    ws_buf json = {.max = sizeof s->refusal - 1};
    error_json(code, message, NULL, &json);
    snprintf(s->refusal, sizeof s->refusal, "%s", ws_buf_z(&json));
    ws_buf_release(&json);
    *out = (web_answer){.status = status, .json = s->refusal,
                         .retry_after_s = status == 429 || status == 503 ? RETRY_S : 0};
    return false;
}

static void answer_error(web_request *r, int status, const char *code, const char *message,
                         const char *hint)
{
    ws_buf json = {0};
    error_json(code, message, hint, &json);
    ws_log(WS_LOG_INFO, "serve: %s: %d %s", web_request_path(r), status, message);
    web_request_answer(r, &(web_answer){.status = status, .json = ws_buf_z(&json),
                                          .retry_after_s = status == 503 ? RETRY_S : 0});
    ws_buf_release(&json);
}

/* ---- before the body ---- */

static const serve_endpoint *find_endpoint(const char *path)
{
    for (int i = 0; serve_endpoints[i]; i++)
        if (strcmp(serve_endpoints[i]->path, path) == 0)
            return serve_endpoints[i];
    return NULL;
}

static bool is_health(const char *path)
{
    return strcmp(path, "/health") == 0;
}

/* In a time that tells nothing of the token but its length. */
static bool is_token(const char *authorization, const char *token)
{
    static const char scheme[] = "Bearer ";
    unsigned differ = 0;
    if (strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *given = authorization + sizeof scheme - 1;
    if (strlen(given) != strlen(token))
        return false;
    for (size_t i = 0; token[i]; i++)
        differ |= (unsigned)(given[i] ^ token[i]);
    return !differ;
}

static bool has_rate(server *s)
{
    const int64_t now = ws_now_ns();
    const double most = fmax(s->o->rate, 1);
    if (!(s->o->rate > 0))
        return true;
    s->tokens = fmin(most, s->tokens + (double)(now - s->tokens_ns) * 1e-9 * s->o->rate);
    s->tokens_ns = now;
    if (s->tokens < 1)
        return false;
    s->tokens -= 1;
    return true;
}

static bool is_json(const char *content_type)
{
    static const char json[] = "application/json";
    size_t n = sizeof json - 1;
    return strncasecmp(content_type, json, n) == 0 && strchr(" ;", content_type[n]);
}

static bool begin_health(server *s, const web_head *h, web_answer *out)
{
    if (strcmp(h->method, "GET") == 0 || strcmp(h->method, "HEAD") == 0)
        return true;
    refuse(s, out, 405, "method", "/health is asked with GET");
    out->allow = "GET, HEAD";
    return false;
}

static bool begin(void *ud, const web_head *h, web_answer *out)
{
    server *s = ud;
    if (*h->origin) /* no trainer is a page in a browser */
        return refuse(s, out, 403, "origin", "requests of web pages are not served");
    if (is_health(h->path))
        return begin_health(s, h, out);
    if (!find_endpoint(h->path))
        return refuse(s, out, 404, "not_found",
                      "served are POST /reward, /get_reward, /evaluate, /run_code and GET /health");
    if (strcmp(h->method, "POST") != 0) {
        refuse(s, out, 405, "method", "this is asked with POST");
        out->allow = "POST";
        return false;
    }
    if (s->o->token && !is_token(h->authorization, s->o->token))
        return refuse(s, out, 401, "token",
                      "this server wants its token: Authorization: Bearer TOKEN");
    if (!is_json(h->content_type))
        return refuse(s, out, 415, "content_type", "expected Content-Type: application/json");
    if (s->stopping)
        return refuse(s, out, 503, "stopping", "the server is about to end");
    if (!has_rate(s))
        return refuse(s, out, 429, "rate", "more requests a second than this server takes");
    return true;
}

/* ---- health ---- */

static void answer_health(server *s, web_request *r)
{
    const serve_counts n = serve_judge_counts(s->judge);
    ws_buf json = {0};
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "status", s->stopping ? "stopping" : "ok");
    cJSON_AddStringToObject(o, "version", WARPSMITH_VERSION);
    cJSON_AddNumberToObject(o, "uptime_seconds", ws_seconds_since(s->start_ns));
    cJSON_AddStringToObject(o, "gpu", s->o->gpu);
    cJSON_AddStringToObject(o, "arch", s->o->arch);
    cJSON_AddStringToObject(o, "time_kind", "modelled");
    cJSON *reward = cJSON_AddObjectToObject(o, "reward");
    cJSON_AddNumberToObject(reward, "version", VFY_REWARD_VERSION);
    cJSON_AddStringToObject(reward, "scheme", vfy_reward_scheme_name(s->o->scheme));
    cJSON *q = cJSON_AddObjectToObject(o, "queue");
    cJSON_AddNumberToObject(q, "waiting", n.queued);
    cJSON_AddNumberToObject(q, "limit", s->judging.queue);
    cJSON_AddNumberToObject(q, "judging", n.judging);
    cJSON_AddNumberToObject(q, "jobs", s->judging.jobs);
    cJSON *c = cJSON_AddObjectToObject(o, "count");
    ws_json_add_int(c, "judged", n.judged);
    ws_json_add_int(c, "from_memory", n.from_memory);
    ws_json_add_int(c, "refused", n.refused);
    ws_json_add_int(c, "failed", n.failed);
    cJSON_AddNumberToObject(c, "remembered", n.remembered);
    ws_json_print(o, false, &json);
    cJSON_Delete(o);
    web_request_answer(r, &(web_answer){.status = 200, .json = ws_buf_z(&json)});
    ws_buf_release(&json);
}

/* ---- calls ---- */

static void call_free(server *s, serve_call *c)
{
    for (int i = 0; i < c->n; i++) {
        if (c->sample[i].wait)
            serve_judge_cancel(s->judge, c->sample[i].wait);
        serve_result_drop(c->sample[i].result);
        free(c->sample[i].reply);
    }
    free(c->sample);
    cJSON_Delete(c->body);
    free(c);
}

/* All samples have a result. */
static void answer_call(serve_call *c)
{
    server *s = c->server;
    web_request *r = c->request;
    ws_buf json = {0};
    web_request_keep(r, NULL);
    for (int i = 0; i < c->n; i++)
        if (c->sample[i].result->our_fault) {
            answer_error(r, 500, "internal", c->sample[i].result->text, NULL);
            call_free(s, c);
            return;
        }
    cJSON *o = c->endpoint->write(c);
    ws_json_print(o, false, &json);
    cJSON_Delete(o);
    web_request_answer(r, &(web_answer){.status = 200, .json = ws_buf_z(&json)});
    ws_log(WS_LOG_INFO, "serve: %s: %d samples in %.2f s", c->endpoint->path, c->n,
           ws_seconds_since(c->start_ns));
    ws_buf_release(&json);
    call_free(s, c);
}

static void take_result(void *ud, serve_result *r)
{
    serve_sample *x = ud;
    x->result = r;
    x->wait = NULL;
    if (!--x->of->left)
        answer_call(x->of);
}

/* The source in the reply; false: there is none, or one that is not judged, and the sample has its
 * result. */
static bool extract(server *s, serve_sample *x, ws_buf *code)
{
    const char *text = "the reply has no CUDA code block";
    hx_reason reason = HX_NO_CODE;
    switch (llm_extract_cuda(x->reply, strlen(x->reply), code)) {
    case LLM_EXTRACT_OK:
    case LLM_EXTRACT_BARE:
        if (code->n <= SERVE_MAX_SOURCE)
            return true;
        reason = HX_COMPILE_LIMIT;
        text = "the source has more than 128 KiB";
        break;
    case LLM_EXTRACT_TRUNCATED:
        reason = HX_TRUNCATED;
        text = "the reply ends inside its code block";
        break;
    case LLM_EXTRACT_NONE:
        break;
    }
    x->result = serve_result_without(s->judge, x->spec, reason, text);
    return false;
}

/* false: the queue is full. */
static bool submit(server *s, serve_call *c)
{
    c->left = c->n + 1; /* one more, so that nobody answers before all are submitted */
    for (int i = 0; i < c->n; i++) {
        serve_sample *x = &c->sample[i];
        ws_buf code = {0};
        bool taken = true;
        x->of = c;
        if (extract(s, x, &code))
            taken = serve_judge_submit(s->judge,
                                       &(serve_source){x->spec, ws_buf_z(&code), code.n, x->seconds,
                                                       x->fresh},
                                       take_result, x, &x->wait);
        else
            c->left--;
        ws_buf_release(&code);
        if (!taken)
            return false;
    }
    if (!--c->left)
        answer_call(c);
    return true;
}

/* JSON's way to write a NUL, where C would end the text. */
static bool has_nul(const char *body, size_t n)
{
    if (memchr(body, '\0', n))
        return true;
    for (const char *p = body; (p = strstr(p, "\\u0000")); p += 6) {
        const char *q = p;
        while (q > body && q[-1] == '\\')
            q--;
        if ((p - q) % 2 == 0)
            return true;
    }
    return false;
}

static ws_status read_call(serve_call *c, ws_err *err)
{
    size_t n;
    const char *body = web_request_body(c->request, &n);
    if (has_nul(body, n))
        return ws_fail(err, WS_EINPUT, "the body has a NUL character");
    if (ws_json_parse(body, n, &c->body, err))
        return err->status;
    if (!cJSON_IsObject(c->body))
        return ws_fail(err, WS_EINPUT, "the body is no JSON object");
    if (ws_json_only(c->body, "", c->endpoint->fields, err))
        return err->status;
    return c->endpoint->read(c, err);
}

static void take(void *ud, web_request *r)
{
    server *s = ud;
    ws_err err = {0};
    if (is_health(web_request_path(r))) {
        answer_health(s, r);
        return;
    }
    serve_call *c = ws_calloc(1, sizeof *c);
    *c = (serve_call){.endpoint = find_endpoint(web_request_path(r)), .options = &s->judging,
                      .specs = s->specs, .start_ns = ws_now_ns(), .request = r, .server = s};
    if (read_call(c, &err)) {
        answer_error(r, 400, err.status == WS_EUSAGE ? "not_served" : "bad_request", err.msg,
                     err.hint);
        call_free(s, c);
        return;
    }
    web_request_keep(r, c);
    if (!submit(s, c)) {
        web_request_keep(r, NULL);
        answer_error(r, 503, "queue_full", "too many sources wait to be judged", NULL);
        call_free(s, c);
    }
}

static void gone(void *ud, web_request *r)
{
    server *s = ud;
    serve_call *c = web_request_kept(r);
    if (!c)
        return;
    web_request_keep(r, NULL);
    ws_log(WS_LOG_INFO, "serve: %s: the client is gone", c->endpoint->path);
    call_free(s, c);
}

/* ---- the loop ---- */

static void turn(server *s)
{
    struct pollfd fd[MAX_DESCRIPTORS];
    fd[0] = (struct pollfd){.fd = web_descriptor(s->http), .events = POLLIN};
    int n = 1 + serve_judge_descriptors(s->judge, fd + 1, MAX_DESCRIPTORS - 1);
    poll(fd, (nfds_t)n, TURN_MS);
    web_run(s->http);
    serve_judge_turn(s->judge);
    web_run(s->http); /* what was just answered */
}

static void tell_address(const server *s)
{
    const serve_options *o = s->o;
    const bool v6 = strchr(o->bind, ':') != NULL;
    char url[120];
    snprintf(url, sizeof url, v6 ? "http://[%s]:%d" : "http://%s:%d", o->bind,
             web_port(s->http));
    if (o->json)
        printf("{\"schema\":1,\"url\":\"%s\",\"jobs\":%d}\n", url, s->judging.jobs);
    else
        printf("serving on %s: %d at the same time, gpu %s (times are modelled), reward %d %s%s\n",
               url, s->judging.jobs, o->gpu, VFY_REWARD_VERSION, vfy_reward_scheme_name(o->scheme),
               o->token ? ", with a token" : "");
    fflush(stdout);
}

static void end_gracefully(server *s)
{
    const int64_t since = ws_now_ns();
    s->stopping = true;
    web_stop_listening(s->http);
    ws_log(WS_LOG_INFO, "serve: ending; %d requests are answered first",
           web_open_requests(s->http));
    while (web_open_requests(s->http) && ws_seconds_since(since) < s->o->grace)
        turn(s);
    if (web_open_requests(s->http))
        ws_log(WS_LOG_WARN, "serve: %d requests were not answered within %g s",
               web_open_requests(s->http), s->o->grace);
}

static ws_status open_all(server *s, ws_err *err)
{
    const serve_options *o = s->o;
    const int jobs = o->jobs > 0 ? o->jobs : ws_cpu_count();
    s->judging = (serve_judge_options){.jobs = jobs < MAX_JOBS ? jobs : MAX_JOBS,
                                       .queue = o->queue,
                                       .seconds = o->timeout,
                                       .wall_seconds = o->run_timeout,
                                       .choices = o->choices,
                                       .gpu = o->gpu,
                                       .arch = o->arch,
                                       .scheme = o->scheme,
                                       .remembered = o->remembered};
    if (!web_is_loopback(o->bind) && !o->token) {
        ws_fail(err, WS_EUSAGE, "'%s' can be reached by others: this needs a token", o->bind);
        return ws_hint(err, "put one into a file and name it with --token-file, or into the "
                            "environment as WARPSMITH_SERVE_TOKEN");
    }
    if (serve_specs_open(&(serve_specs_options){.gpu = o->gpu,
                                                .arch = o->arch,
                                                .lint_seconds = o->lint_seconds,
                                                .facts_seconds = o->timeout,
                                                .jobs = s->judging.jobs,
                                                .file = o->spec_file,
                                                .n_files = o->n_spec_files},
                         &s->specs, err))
        return err->status;
    s->judge = serve_judge_open(&s->judging, s->specs);
    return web_open(&(web_options){.address = o->bind,
                                     .port = o->port,
                                     .max_body = (size_t)o->max_body,
                                     .max_connections = o->connections,
                                     .receive_seconds = o->receive_timeout,
                                     .idle_seconds = o->idle_timeout,
                                     .begin = begin,
                                     .take = take,
                                     .gone = gone,
                                     .ud = s},
                     &s->http, err);
}

ws_status serve_run(const serve_options *o, ws_err *err)
{
    server s = {.o = o, .start_ns = ws_now_ns(), .tokens = fmax(o->rate, 1),
                .tokens_ns = ws_now_ns()};
    ws_status st = open_all(&s, err);
    if (!st) {
        tell_address(&s);
        while (!*o->stop)
            turn(&s);
        end_gracefully(&s);
    }
    web_close(s.http);
    serve_judge_close(s.judge);
    serve_specs_close(s.specs);
    return st;
}
