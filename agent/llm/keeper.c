#include "agent/llm/keeper.h"

#include "agent/llm/cassette_state.h"
#include "agent/llm/http_state.h"
#include "agent/llm/intake.h"
#include "agent/llm/provider.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct keeping keeping;

/* A request in flight. */
typedef struct kept {
    struct kept *next;
    keeping *k;
    uint32_t id;
    char *text; /* url, body, key, headers */
    size_t n_text;
    http_transfer *t; /* NULL: it could not be started */
    bool done;        /* its connection has ended, and the controller knows */
    llm_intake *in;   /* of an orphan: the keeper reads for itself */
} kept;

struct keeping {
    cassette *cassette;
    channel ch;
    http_pool *pool;
    kept *first;
    bool orphan; /* the controller is gone */
    bool quit;
    int told; /* calls in flight, to who waits */
};

/* ---- one request ---- */

static keep_state state_of(const kept *e)
{
    if (!e->t)
        return (keep_state){.end = HTTP_FAILED};
    const http_response *r = http_result(e->t);
    return (keep_state){r->end, r->status, r->worth_retrying, r->sent,
                        e->t->ended ? r->seconds : 0};
}

static http_take receive(void *ud, int status, const char *bytes, size_t n)
{
    kept *e = ud;
    keep_state s = {.status = status};
    if (e->in)
        return intake_take(e->in, status, bytes, n);
    channel_put(&e->k->ch, KEEP_BODY, e->id, &s, sizeof s, bytes, n);
    return HTTP_TAKE_PROGRESS;
}

static void hear(void *ud, ws_str line)
{
    kept *e = ud;
    channel_put(&e->k->ch, KEEP_HEADER, e->id, NULL, 0, line.p, line.n);
}

static const char *next_z(const char **p)
{
    const char *z = *p;
    *p += strlen(z) + 1;
    return z;
}

static ws_status begin(kept *e, const keep_request *q, ws_err *err)
{
    const char *p = e->text, **header = ws_calloc((size_t)q->n_headers + 1, sizeof *header);
    const char *url = next_z(&p), *body = p, *key = p + q->n_body + 1;
    p = key;
    next_z(&p);
    for (int i = 0; i < q->n_headers; i++)
        header[i] = next_z(&p);
    http_request r = {.url = url,
                      .body = body,
                      .body_bytes = q->n_body,
                      .header = header,
                      .key = key,
                      .key_headers = q->key_headers,
                      .direct = q->direct,
                      .stream = q->stream,
                      .turn = q->turn,
                      .max_body_bytes = q->max_body_bytes,
                      .connect_s = q->connect_s,
                      .first_byte_s = q->first_byte_s,
                      .idle_s = q->idle_s,
                      .total_s = q->total_s,
                      .receive = receive,
                      .ud = e};
    ws_status st = http_start(e->k->pool, &r, &e->t, err);
    free(header);
    return st;
}

static void start(keeping *k, channel_message *m)
{
    keep_request q;
    ws_err err = {0};
    if (!channel_head(m, &q, sizeof q))
        return;
    kept *e = ws_calloc(1, sizeof *e);
    e->k = k;
    e->id = m->id;
    e->n_text = m->n;
    e->text = ws_malloc(m->n + 1);
    memcpy(e->text, m->p, m->n);
    e->next = k->first;
    k->first = e;
    if (begin(e, &q, &err)) {
        keep_state s = state_of(e);
        e->done = true;
        channel_put(&k->ch, KEEP_DONE, e->id, &s, sizeof s, err.msg, strlen(err.msg));
    }
}

static void forget(kept *e)
{
    for (kept **p = &e->k->first; *p; p = &(*p)->next)
        if (*p == e) {
            *p = e->next;
            break;
        }
    http_free(e->t); /* one that was not concluded is recorded as cancelled */
    if (e->in)
        intake_release(e->in);
    free(e->in);
    explicit_bzero(e->text, e->n_text);
    free(e->text);
    free(e);
}

/* Written down, and gone. */
static void conclude(kept *e, http_end end, const char *error)
{
    keeping *k = e->k;
    const char *failure = "";
    if (e->t)
        http_conclude(e->t, end, error);
    keep_state s = state_of(e);
    if (k->cassette->failure.status)
        failure = k->cassette->failure.msg;
    channel_put(&k->ch, KEEP_WRITTEN, e->id, &s, sizeof s, failure, strlen(failure));
    forget(e);
}

/* ---- the controller ---- */

static void obey(keeping *k, channel_message *m)
{
    keep_verdict v;
    kept *e = k->first;
    while (e && e->id != m->id)
        e = e->next;
    if (m->type == KEEP_REQUEST) {
        start(k, m);
    } else if (m->type == KEEP_QUIT) {
        k->quit = true;
    } else if (e && m->type == KEEP_CANCEL) {
        forget(e);
    } else if (e && m->type == KEEP_VERDICT && channel_head(m, &v, sizeof v)) {
        char *error = ws_strndup(m->p, m->n);
        conclude(e, v.end, error);
        free(error);
    }
}

/* ---- without it ---- */

/* As the controller would have ended it: a stream that is over is whole, whatever came after. */
static void conclude_alone(kept *e)
{
    const http_response *r = http_result(e->t);
    char error[sizeof r->error];
    memcpy(error, r->error, sizeof error);
    if (r->end == HTTP_CUT && e->t->settled_ns)
        conclude(e, HTTP_COMPLETE, "");
    else
        conclude(e, r->end, error);
}

/* From here the keeper reads, beginning with what has come so far. */
static void read_alone(kept *e)
{
    enum { MAX_EVENT = 16 << 20 };
    const cassette_exchange *x = e->t->tape;
    llm_wire w = llm_wire_of_url(e->t->r.url);
    e->in = ws_calloc(1, sizeof *e->in);
    e->in->wire = llm_adapter_of(w ? w : LLM_WIRE_CHAT);
    intake_begin(e->in, e->t->r.max_body_bytes, MAX_EVENT);
    if (x->bytes.n &&
        !http_note(e->t, intake_take(e->in, e->t->easy ? http_curl_status(e->t) : 0, x->bytes.p,
                                     x->bytes.n)) &&
        !e->t->ended)
        http_end_transfer(e->t, HTTP_TOO_LARGE, "the reply is larger than the limit");
}

/* What has not left yet does not leave any more; the others end, within their timers. */
static void become_orphan(keeping *k)
{
    kept *next;
    k->orphan = true;
    k->pool->untimed = false;
    for (kept *e = k->first; e; e = next) {
        next = e->next;
        if (!e->t) {
            forget(e);
            continue;
        }
        read_alone(e);
        if (e->done)
            conclude_alone(e);
    }
}

/* How many calls it has, and for how long at most, for who waits. */
static void tell_state(keeping *k)
{
    double most_s = 0;
    int n = 0;
    for (const kept *e = k->first; e; e = e->next) {
        n++;
        if (e->t)
            most_s = fmax(most_s, e->t->r.total_s - http_seconds(e->t));
    }
    if (n != k->told)
        cassette_lock_state(k->cassette, n, most_s);
    k->told = n;
}

/* ---- the process ---- */

/* Nothing of the controller but the socket and the cassette: no archive's lock, no pipe that
 * somebody waits to see closed, no terminal. */
static void keep_only(cassette *c, int *sock)
{
    enum { SOCK = 3, FILE_FD = 4, SPARE = 16 };
    int null = open("/dev/null", O_RDWR);
    int high[2] = {fcntl(*sock, F_DUPFD, SPARE), fcntl(c->fd, F_DUPFD, SPARE)};
    for (int i = 0; i < 3 && null >= 0; i++)
        dup2(null, i);
    dup2(high[0], SOCK);
    dup2(high[1], FILE_FD);
    *sock = SOCK;
    c->fd = FILE_FD;
    if (syscall(SYS_close_range, FILE_FD + 1, ~0U, 0)) {
        long most = sysconf(_SC_OPEN_MAX);
        for (int fd = FILE_FD + 1; fd < (most > 0 && most < 65536 ? (int)most : 65536); fd++)
            close(fd);
    }
}

static void leave_controller(cassette *c, int *sock)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    for (size_t i = 0; i < WS_COUNT(ignored); i++)
        signal(ignored[i], SIG_IGN);
    setsid();
    prctl(PR_SET_NAME, "ws-keeper");
    ws_log_close();
    keep_only(c, sock);
}

static void hear_controller(keeping *k)
{
    channel_message m;
    channel_fill(&k->ch);
    while (!k->ch.ended && channel_get(&k->ch, &m))
        obey(k, &m);
    if (!k->ch.ended)
        return;
    /* What it had decided still holds; a request that it left here is not sent. */
    while (channel_get(&k->ch, &m))
        if (m.type != KEEP_REQUEST)
            obey(k, &m);
    if (!k->quit && !k->orphan)
        become_orphan(k);
}

static void end_one(keeping *k, http_transfer *t)
{
    kept *e = http_context(t);
    if (k->orphan) {
        conclude_alone(e);
        return;
    }
    keep_state s = state_of(e);
    const char *error = http_result(t)->error;
    e->done = true;
    channel_put(&k->ch, KEEP_DONE, e->id, &s, sizeof s, error, strlen(error));
}

/* All that is due, and a wait for more. */
static void turn(keeping *k)
{
    enum { WAIT_MS = 1000, ALONE_MS = 50 }; /* alone it has timers */
    http_transfer *t;
    bool ready;
    while ((t = http_poll_with(k->pool, NULL, 0, 0, &ready)))
        end_one(k, t);
    if (!k->orphan)
        hear_controller(k);
    channel_flush(&k->ch);
    if (k->orphan)
        tell_state(k);
    struct pollfd f = {k->ch.fd, (short)(POLLIN | (channel_has_more(&k->ch) ? POLLOUT : 0)), 0};
    if (!k->quit && (!k->orphan || k->first))
        http_curl_wait(k->pool, &f, !k->orphan, k->orphan ? ALONE_MS : WAIT_MS);
}

_Noreturn void keeper_main(cassette *c, int sock)
{
    keeping k = {.cassette = c};
    ws_err err = {0};
    leave_controller(c, &sock);
    channel_init(&k.ch, sock);
    if (cassette_lock_writer(c, &err) ||
        http_open_keeping(&(http_options){.cassette = c}, &k.pool, &err))
        _exit(1);
    cassette_mark(c);
    k.pool->hear = hear;
    while (!k.quit && (!k.orphan || k.first))
        turn(&k);
    while (k.first)
        forget(k.first);
    if (!c->failure.status)
        cassette_unmark(c);
    channel_flush(&k.ch);
    _exit(0);
}
