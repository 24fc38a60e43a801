/* Recording what passes over HTTP, and passing on what was recorded. */
#include "agent/llm/http_state.h"

#include <math.h>
#include <string.h>

/* ---- recording ---- */

void http_tape_begin(http_transfer *t)
{
    t->tape = cassette_begin(t->pool->o.cassette, "POST", t->r.url, t->r.body, t->r.body_bytes,
                             t->r.turn);
    for (struct curl_slist *h = t->header; h; h = h->next)
        cassette_add_request_header(t->tape, h->data);
}

cassette_end http_tape_name(http_end how)
{
    return how == HTTP_COMPLETE  ? CASSETTE_COMPLETE
           : how == HTTP_FAILED  ? CASSETTE_FAILED
           : how == HTTP_CUT     ? CASSETTE_CUT
           : how == HTTP_STALLED ? CASSETTE_STALLED
                                 : CASSETTE_TOO_LARGE;
}

void http_tape_end(http_transfer *t, cassette_end how)
{
    cassette_exchange *x = t->tape;
    if (!x)
        return;
    t->tape = NULL;
    x->end = how;
    x->status = t->response.status;
    x->sent = t->response.sent;
    x->end_ms = (t->ended ? t->response.seconds : http_seconds(t)) * 1e3;
    x->worth_retrying = t->response.worth_retrying;
    ws_buf_adds(&x->error, t->response.error);
    cassette_record(t->pool->o.cassette, x, t->r.key);
}

/* ---- replay ---- */

static void play_headers(http_transfer *t)
{
    const char *p = ws_buf_z(&t->played->headers);
    for (size_t n; *p; p += n + 1) {
        n = strcspn(p, "\n");
        http_take_header(t, (ws_str){p, n});
    }
}

bool http_tape_replay(http_transfer *t)
{
    cassette *c = t->pool->o.cassette;
    char hint[sizeof t->response.error] = "";
    if (!c)
        return false;
    t->played =
        cassette_find(c, t->r.url, t->r.body, t->r.body_bytes, t->r.turn, hint, sizeof hint);
    if (t->played)
        play_headers(t);
    if (t->played || cassette_records(c))
        return t->played;
    t->response.end = HTTP_NO_RECORDING;
    memcpy(t->response.error, hint, sizeof hint);
    t->ended = true;
    return true;
}

static void end_replay(http_transfer *t)
{
    const cassette_exchange *x = t->played;
    const char *why = ws_buf_z(&x->error);
    t->response.worth_retrying = x->worth_retrying;
    if (t->too_large)
        http_end_transfer(t, HTTP_TOO_LARGE, "the reply is larger than the limit");
    else if (x->end == CASSETTE_COMPLETE || t->settled_ns)
        http_end_transfer(t, HTTP_COMPLETE, "%s", "");
    else
        http_end_transfer(t,
                          x->end == CASSETTE_FAILED    ? HTTP_FAILED
                          : x->end == CASSETTE_STALLED ? HTTP_STALLED
                          : x->end == CASSETTE_CUT     ? HTTP_CUT
                                                       : HTTP_TOO_LARGE,
                          "%s", why);
}

/* Feeds what is due, through the same path as what comes from a socket. */
static void play(http_transfer *t)
{
    const cassette_exchange *x = t->played;
    const cassette *c = t->pool->o.cassette;
    while (t->next_frame < x->n_frames && !t->too_large) {
        const cassette_frame *f = &x->frame[t->next_frame];
        size_t from = t->next_frame ? f[-1].end : 0;
        if (cassette_due_s(c, f->at_ms) > http_seconds(t))
            return;
        t->next_frame++;
        http_take_body(t, x->status, x->bytes.p + from, f->end - from);
    }
    if (t->too_large || cassette_due_s(c, x->end_ms) <= http_seconds(t))
        end_replay(t);
}

double http_tape_play(http_pool *p)
{
    double nearest = 3600;
    for (http_transfer *t = p->first; t; t = t->next) {
        if (!t->played || t->ended)
            continue;
        play(t);
        if (t->ended)
            continue;
        const cassette_exchange *x = t->played;
        double at_ms = t->next_frame < x->n_frames ? x->frame[t->next_frame].at_ms : x->end_ms;
        nearest = fmin(nearest, cassette_due_s(p->o.cassette, at_ms) - http_seconds(t));
    }
    return nearest;
}
