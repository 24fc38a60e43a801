/* The controller's side of the keeper: requests and verdicts down; headers, bodies and ends up. */
#include "agent/llm/cassette_state.h"
#include "agent/llm/http_state.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* To write what is at hand. A disk that takes longer does not take it at all. */
static const double END_S = 60;
static const char gone[] = "the process that holds the connections ended";

struct keeper {
    cassette *cassette;
    pid_t pid;
    channel ch;
    http_transfer *first; /* of all pools, by next_kept */
    uint32_t last_id;
};

/* ---- the process ---- */

/* Before it is gone, its lock must be: the child takes it. Nobody else can meanwhile, who would
 * need the controller's first. */
static ws_status start(keeper *k, ws_err *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return ws_fail_errno(err, WS_EENV, "cannot make a socket for the connections' process");
    cassette_unlock_writer(k->cassette);
    k->pid = fork();
    if (!k->pid)
        keeper_main(k->cassette, pair[1]);
    close(pair[1]);
    channel_init(&k->ch, pair[0]);
    return k->pid < 0 ? ws_fail_errno(err, WS_EENV, "cannot start a process for the connections")
                      : WS_OK;
}

ws_status keeper_of(cassette *c, keeper **out, ws_err *err)
{
    if (!c->keeper) {
        keeper *k = ws_calloc(1, sizeof *k);
        k->cassette = c;
        if (curl_load(err) || start(k, err)) { /* once, and not in every child */
            channel_close(&k->ch);
            free(k);
            return err->status;
        }
        c->keeper = k;
    }
    *out = c->keeper;
    return WS_OK;
}

static void note_failure(keeper *k, const char *fmt, const char *why)
{
    ws_err *failure = &k->cassette->failure;
    if (failure->status)
        return;
    ws_fail(failure, WS_EENV, fmt, why);
    ws_log(WS_LOG_ERROR, "%s", failure->msg);
}

/* What it had not written down is not in the cassette. */
static void lose(keeper *k)
{
    for (http_transfer *t = k->first; t; t = t->next_kept) {
        if (t->ended)
            continue;
        note_failure(k, "not recorded: %s", gone);
        if (!t->concluded)
            http_end_transfer(t, HTTP_FAILED, "%s", gone);
        t->response.sent = true; /* as far as anyone knows */
        t->ended = true;
    }
}

ws_status keeper_end(keeper *k, ws_err *err)
{
    int64_t begin = ws_now_ns();
    int status = 0;
    channel_put(&k->ch, KEEP_QUIT, 0, NULL, 0, NULL, 0);
    while (!k->ch.ended && ws_seconds_since(begin) < END_S) {
        http_kept_flush(k);
        http_kept_wait(k, NULL, 0, 1000);
        http_kept_take(k);
    }
    bool late = !k->ch.ended;
    if (late)
        kill(k->pid, SIGKILL);
    channel_close(&k->ch);
    while (waitpid(k->pid, &status, 0) < 0 && errno == EINTR)
        ;
    ws_status st = WS_OK;
    if (late || !WIFEXITED(status) || WEXITSTATUS(status))
        st = ws_fail(err, WS_EENV, "the recording may not be whole: %s",
                     late ? "its last exchanges could not be written" : gone);
    free(k);
    return st;
}

/* ---- down ---- */

static void put_z(ws_buf *b, const char *z)
{
    ws_buf_add(b, z, strlen(z) + 1);
}

ws_status http_kept_start(http_transfer *t, ws_err *err)
{
    keeper *k = t->pool->keeper;
    const http_request *r = &t->r;
    ws_buf text = {.max = r->body_bytes + ((size_t)WS_BUF_DEFAULT_MAX)};
    keep_request q = {.n_body = r->body_bytes,
                      .max_body_bytes = r->max_body_bytes,
                      .connect_s = r->connect_s,
                      .first_byte_s = r->first_byte_s,
                      .idle_s = r->idle_s,
                      .total_s = r->total_s,
                      .turn = r->turn,
                      .key_headers = r->key_headers,
                      .direct = r->direct,
                      .stream = r->stream};
    if (k->ch.ended)
        return ws_fail(err, WS_EENV, "%s", gone);
    put_z(&text, r->url);
    ws_buf_add(&text, r->body, r->body_bytes);
    ws_buf_addc(&text, '\0');
    put_z(&text, r->key ? r->key : "");
    for (; r->header && r->header[q.n_headers]; q.n_headers++)
        put_z(&text, r->header[q.n_headers]);
    t->kept = true;
    t->id = ++k->last_id;
    t->next_kept = k->first;
    k->first = t;
    channel_put(&k->ch, KEEP_REQUEST, t->id, &q, sizeof q, text.p, text.n);
    explicit_bzero(text.p, text.n);
    ws_buf_release(&text);
    channel_flush(&k->ch);
    return WS_OK;
}

void http_kept_conclude(http_transfer *t)
{
    keep_verdict v = {t->response.end};
    t->concluded = true;
    channel_put(&t->pool->keeper->ch, KEEP_VERDICT, t->id, &v, sizeof v, t->response.error,
                strlen(t->response.error));
}

void http_kept_free(http_transfer *t)
{
    keeper *k = t->pool->keeper;
    if (!t->kept)
        return;
    if (!t->concluded) {
        channel_put(&k->ch, KEEP_CANCEL, t->id, NULL, 0, NULL, 0);
        channel_flush(&k->ch);
    }
    for (http_transfer **p = &k->first; *p; p = &(*p)->next_kept)
        if (*p == t) {
            *p = t->next_kept;
            break;
        }
}

void http_kept_flush(keeper *k)
{
    channel_flush(&k->ch);
}

/* ---- up ---- */

static void take_body(http_transfer *t, const channel_message *m, const keep_state *s)
{
    t->status = s->status;
    if (!http_take_body(t, s->status, m->p, m->n))
        http_end_transfer(t, HTTP_TOO_LARGE, "the reply is larger than the limit");
}

static void take_done(http_transfer *t, const channel_message *m, const keep_state *s)
{
    t->status = s->status;
    t->response.worth_retrying = s->worth_retrying;
    if (t->settled_ns)
        http_end_transfer(t, HTTP_COMPLETE, "%s", "");
    else
        http_end_transfer(t, s->end, "%.*s", (int)m->n, m->p);
}

static void take_written(keeper *k, http_transfer *t, const channel_message *m, const keep_state *s)
{
    char why[WS_ERR_MAX];
    t->response.sent = s->sent;
    t->response.seconds = s->seconds;
    t->ended = true;
    if (!m->n)
        return;
    snprintf(why, sizeof why, "%.*s", (int)m->n, m->p);
    note_failure(k, "%s", why);
}

static void take_message(keeper *k, http_transfer *t, channel_message *m)
{
    keep_state s;
    if (m->type == KEEP_HEADER) {
        http_take_header(t, (ws_str){m->p, m->n});
        return;
    }
    if (!channel_head(m, &s, sizeof s))
        ws_bug("a message of the keeper, of %zu bytes", m->n);
    if (m->type == KEEP_WRITTEN)
        take_written(k, t, m, &s);
    else if (!t->concluded && m->type == KEEP_BODY)
        take_body(t, m, &s);
    else if (!t->concluded && m->type == KEEP_DONE)
        take_done(t, m, &s);
}

void http_kept_take(keeper *k)
{
    channel_message m;
    channel_flush(&k->ch);
    channel_fill(&k->ch);
    while (channel_get(&k->ch, &m))
        for (http_transfer *t = k->first; t; t = t->next_kept)
            if (t->id == m.id && !t->ended) {
                take_message(k, t, &m);
                break;
            }
    if (k->ch.ended)
        lose(k);
}

void http_kept_wait(keeper *k, const struct pollfd *fd, int n_fds, int wait_ms)
{
    struct pollfd *all = ws_calloc((size_t)n_fds + 1, sizeof *all);
    short more = channel_has_more(&k->ch) ? POLLOUT : 0;
    if (n_fds)
        memcpy(all, fd, (size_t)n_fds * sizeof *all);
    all[n_fds] = (struct pollfd){k->ch.ended ? -1 : k->ch.fd, (short)(POLLIN | more), 0};
    if (poll(all, (nfds_t)n_fds + 1, wait_ms) < 0 && errno != EINTR)
        ws_log(WS_LOG_DEBUG, "poll: %s", strerror(errno));
    free(all);
}
