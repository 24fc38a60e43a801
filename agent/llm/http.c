/* HTTP transfers, whoever moves their bytes: curl in this process (http_curl.c), the keeper
 * (http_kept.c) or a recording (http_tape.c). What arrives, timers, ends. */
#include "agent/llm/http_state.h"

#include "base/clock.h"
#include "base/mem.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long a transfer may take to end after its message is complete, and between the answer's last
 * word and what some servers send after it (usage, [DONE]). */
static const double SETTLE_S = 0.2, ENDING_S = 10.0;

/* ---- pool ---- */

static ws_status open_pool(const http_options *o, bool keeping, http_pool **out, ws_err *err)
{
    http_pool *p = ws_calloc(1, sizeof *p);
    bool records = cassette_records(o->cassette);
    p->o = *o;
    p->keeping = keeping;
    p->untimed = keeping;
    if (records && !keeping ? keeper_of(o->cassette, &p->keeper, err) : http_curl_open(p, err)) {
        http_close(p);
        return err->status;
    }
    *out = p;
    return WS_OK;
}

ws_status http_open(const http_options *o, http_pool **out, ws_err *err)
{
    return open_pool(o, false, out, err);
}

ws_status http_open_keeping(const http_options *o, http_pool **out, ws_err *err)
{
    return open_pool(o, true, out, err);
}

void http_close(http_pool *p)
{
    if (!p)
        return;
    while (p->first)
        http_free(p->first);
    http_curl_close(p);
    free(p);
}

/* ---- what arrives ---- */

bool http_note(http_transfer *t, http_take take)
{
    switch (take) {
    case HTTP_TAKE_NOTHING:
        break;
    case HTTP_TAKE_ENDING:
        t->ending = true;
        t->progress_ns = ws_now_ns();
        break;
    case HTTP_TAKE_PROGRESS:
        t->progress_ns = ws_now_ns();
        break;
    case HTTP_TAKE_SETTLED:
        t->settled_ns = ws_now_ns();
        break;
    case HTTP_TAKE_TOO_LARGE:
        t->too_large = true;
        return false;
    }
    return true;
}

bool http_take_body(http_transfer *t, int status, const char *bytes, size_t n)
{
    t->body_bytes += (int64_t)n;
    if (t->settled_ns)
        return true;
    if (t->body_bytes > t->r.max_body_bytes) {
        t->too_large = true;
        return false;
    }
    return http_note(t, t->r.receive(t->r.ud, status, bytes, n));
}

/* Of the response, 0: none so far. */
static int status_of(const http_transfer *t)
{
    return t->played ? t->played->status : t->easy ? http_curl_status(t) : t->status;
}

void http_take_header(http_transfer *t, ws_str line)
{
    http_response *r = &t->response;
    if (line.n > 5 && memcmp(line.p, "HTTP/", 5) == 0) { /* a new response after 1xx */
        header_limits_init(&r->limits);
        r->request_id[0] = r->location[0] = '\0';
        cassette_new_response(t->tape);
    } else if (!header_limits_read(&r->limits, line) &&
               !header_value(line, "x-request-id", r->request_id, sizeof r->request_id) &&
               !header_value(line, "request-id", r->request_id, sizeof r->request_id)) {
        header_value(line, "location", r->location, sizeof r->location);
    }
    cassette_add_header(t->tape, line.p, line.n);
    if (t->pool->hear)
        t->pool->hear(t->r.ud, line);
}

/* ---- transfers ---- */

static ws_status start(http_transfer *t, ws_err *err)
{
    if (t->pool->keeper)
        return http_kept_start(t, err);
    if (http_curl_start(t, err))
        return err->status;
    http_tape_begin(t);
    return WS_OK;
}

ws_status http_start(http_pool *p, const http_request *r, http_transfer **out, ws_err *err)
{
    http_transfer *t = ws_calloc(1, sizeof *t);
    t->pool = p;
    t->r = *r;
    t->start_ns = ws_now_ns();
    header_limits_init(&t->response.limits);
    t->next = p->first;
    p->first = t;
    if ((p->keeping || !http_tape_replay(t)) && start(t, err)) {
        http_free(t);
        return err->status;
    }
    t->r.header = NULL;
    *out = t;
    return WS_OK;
}

void http_free(http_transfer *t)
{
    if (!t)
        return;
    if (t->tape)
        t->response.status = status_of(t);
    http_tape_end(t, CASSETTE_CANCELLED);
    for (http_transfer **p = &t->pool->first; *p; p = &(*p)->next)
        if (*p == t) {
            *p = t->next;
            break;
        }
    http_kept_free(t);
    http_curl_free(t);
    free(t);
}

const http_response *http_result(const http_transfer *t)
{
    return &t->response;
}

double http_seconds(const http_transfer *t)
{
    return ws_seconds_since(t->start_ns);
}

void *http_context(const http_transfer *t)
{
    return t->r.ud;
}

/* ---- ends ---- */

void http_end_transfer(http_transfer *t, http_end how, const char *fmt, ...)
{
    http_response *r = &t->response;
    va_list ap;
    if (t->ended || t->concluded)
        return;
    r->status = status_of(t);
    r->end = how;
    r->seconds = t->played ? t->played->end_ms * 1e-3 : http_seconds(t);
    va_start(ap, fmt);
    vsnprintf(r->error, sizeof r->error, fmt, ap);
    va_end(ap);
    if (t->kept) { /* ends when it is written */
        http_kept_conclude(t);
        return;
    }
    r->sent = t->played ? t->played->sent : t->easy && http_curl_sent(t);
    t->ended = true;
    if (t->easy)
        http_curl_stop(t);
    if (!t->pool->keeping)
        http_tape_end(t, http_tape_name(how));
}

void http_conclude(http_transfer *t, http_end how, const char *error)
{
    http_end_transfer(t, how, "%s", error);
    t->response.end = how;
    snprintf(t->response.error, sizeof t->response.error, "%s", error);
    http_tape_end(t, http_tape_name(how));
}

/* ---- timers ---- */

/* Seconds until a timer of `t` runs out, and which: 0 first byte, 1 idle, 2 total, 3 settle. */
static double time_left(const http_transfer *t, int *which)
{
    double left[4] = {(double)INFINITY, (double)INFINITY,
                      t->r.total_s - ws_seconds_since(t->start_ns), (double)INFINITY};
    double idle_s = t->ending ? fmin(t->r.idle_s, ENDING_S) : t->r.idle_s;
    if (t->progress_ns)
        left[1] = idle_s - ws_seconds_since(t->progress_ns);
    else
        left[0] = t->r.first_byte_s - ws_seconds_since(t->start_ns);
    if (t->settled_ns)
        left[3] = SETTLE_S - ws_seconds_since(t->settled_ns);
    *which = 0;
    for (int i = 1; i < 4; i++)
        if (left[i] < left[*which])
            *which = i;
    return left[*which];
}

/* Ends what is over time; seconds until the next timer. */
static double check_timers(http_pool *p)
{
    double nearest = 3600;
    int which;
    if (p->untimed)
        return nearest;
    for (http_transfer *t = p->first; t; t = t->next) {
        if (t->ended || t->played || t->concluded)
            continue;
        double left = time_left(t, &which);
        if (left > 0)
            nearest = left < nearest ? left : nearest;
        else if (t->settled_ns || (t->ending && which == 1))
            http_end_transfer(t, HTTP_COMPLETE, "%s", "");
        else if (which == 0)
            http_end_transfer(t, HTTP_STALLED, "no data within %g s", t->r.first_byte_s);
        else if (which == 1)
            http_end_transfer(t, HTTP_STALLED, "no data for %g s in the middle of the reply",
                              t->r.idle_s);
        else
            http_end_transfer(t, HTTP_STALLED, "the reply was not complete after %g s",
                              t->r.total_s);
    }
    return nearest;
}

static http_transfer *take_ended(http_pool *p)
{
    for (http_transfer *t = p->first; t; t = t->next)
        if (t->ended && !t->delivered) {
            t->delivered = true;
            return t;
        }
    return NULL;
}

/* Waits on the connections and on the caller's descriptors; true: one of the caller's is ready. */
static bool wait_for(http_pool *p, struct pollfd *fd, int n_fds, int wait_ms)
{
    if (p->keeper)
        http_kept_wait(p->keeper, fd, n_fds, wait_ms);
    else
        http_curl_wait(p, fd, n_fds, wait_ms);
    return n_fds && poll(fd, (nfds_t)n_fds, 0) > 0; /* with hang-ups, which curl does not tell */
}

http_transfer *http_poll_with(http_pool *p, struct pollfd *fd, int n_fds, int timeout_ms,
                              bool *ready)
{
    int64_t begin = ws_now_ns();
    *ready = false;
    for (;;) {
        if (p->keeper)
            http_kept_take(p->keeper);
        else
            http_curl_perform(p);
        double timer_s = fmin(check_timers(p), fmax(http_tape_play(p), 0));
        if (p->keeper)
            http_kept_flush(p->keeper);
        http_transfer *t = take_ended(p);
        double left_ms = timeout_ms - ws_seconds_since(begin) * 1e3;
        if (t || left_ms <= 0 || *ready)
            return t;
        *ready = wait_for(p, fd, n_fds, (int)ceil(fmin(left_ms, timer_s * 1e3)));
    }
}
