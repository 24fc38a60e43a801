/* What the templates need, from the history of a loop with one lane. */
#include "agent/loop/loop.h"

#include "agent/strategy/prompt.h"

#include <math.h>
#include <string.h>

double loop_seconds(const db_candidate *c)
{
    return strat_seconds(c);
}

static int index_of(const loop_history *h, int64_t id)
{
    for (int i = 0; i < h->n; i++)
        if (id && h->attempt[i].candidate->id == id)
            return i;
    return -1;
}

static void make_view(const spec *s, const loop_history *h, ws_arena *a, strat_view *v)
{
    strat_attempt *attempt = WS_ARENA_NEW(a, strat_attempt, h->n + 1);
    strat_turn *turn = WS_ARENA_NEW(a, strat_turn, h->n + 1);
    int n = 0;
    for (int i = 0; i < h->n; i++) {
        const db_candidate *c = h->attempt[i].candidate;
        attempt[i] = (strat_attempt){c, h->attempt[i].verdict_json, c->round - 1, -1};
        if (strcmp(c->origin, "model") == 0)
            turn[n++] =
                (strat_turn){.turn = c->round - 1,
                             .round = c->round - 1,
                             .step = {.purpose = "kernel", .subject = index_of(h, c->parent)},
                             .outcome = "ok",
                             .attempt = i};
    }
    *v = (strat_view){.attempt = attempt,
                      .n_attempts = h->n,
                      .turn = turn,
                      .n_turns = n,
                      .best = h->best,
                      .lanes = 1,
                      .spec = s};
}

ws_status loop_prompt_make(const spec *s, const char *dir, const char *gpu, const loop_history *h,
                           const loop_step *step, loop_prompt *out, ws_err *err)
{
    ws_arena a = {0};
    strat_view v;
    strat_step asked = {.purpose = step->purpose, .subject = step->subject};
    prompt_text text;
    make_view(s, h, &a, &v);
    prompt_context c = {.spec = s, .dir = dir, .gpu = gpu, .view = &v, .step = &asked};
    ws_status st = prompt_make(&c, &text, err);
    if (!st)
        *out = (loop_prompt){text.system, text.user};
    ws_arena_release(&a);
    return st;
}

void loop_prompt_release(loop_prompt *p)
{
    prompt_text text = {p->system, p->user, 0};
    prompt_release(&text);
    *p = (loop_prompt){0};
}
