/* When enough is won: targets, and whether the next gain is expected to be worth its price. */
#include "agent/loop/state.h"

#include "agent/money/worth.h"
#include "base/log.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The floor of the roofline, as the cost model told with the verdict; 0: not told. */
static double floor_seconds(const loop_state *s)
{
    cJSON *v = s->best >= 0 ? cJSON_Parse(s->attempt[s->best].verdict_json) : NULL;
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(v, "modelled");
    const cJSON *f = cJSON_GetObjectItemCaseSensitive(m, "floor_seconds");
    double seconds = cJSON_IsNumber(f) && f->valuedouble > 0 ? f->valuedouble : 0;
    cJSON_Delete(v);
    return seconds;
}

/* ---- the run as a row of calls ---- */

static int by_turn(const void *a, const void *b)
{
    const loop_turn *x = *(loop_turn *const *)a, *y = *(loop_turn *const *)b;
    return (x->turn > y->turn) - (x->turn < y->turn);
}

/* The fastest kernel of the turn, its tuned forms too; INFINITY: none is right. */
static double fastest_of(const loop_state *s, const loop_turn *t)
{
    double best = (double)INFINITY;
    for (int i = 1; i < s->n_attempts; i++)
        if (s->attempt[i].turn == t->turn && strat_passed(&s->attempt[i]))
            best = fmin(best, strat_seconds(s->attempt[i].candidate));
    return best;
}

static void run_of(const loop_state *s, ws_arena *a, worth_run *out)
{
    loop_turn **turn = WS_ARENA_NEW(a, loop_turn *, s->n_turns + 1);
    worth_call *call = WS_ARENA_NEW(a, worth_call, s->n_turns + 1);
    double best = (double)INFINITY;
    int n = 0;
    for (int i = 0; i < s->n_turns; i++)
        if (s->turn[i]->done)
            turn[n++] = s->turn[i];
    qsort(turn, (size_t)n, sizeof(loop_turn *), by_turn);
    for (int i = 0; i < n; i++) {
        best = fmin(best, fastest_of(s, turn[i]));
        call[i] = (worth_call){turn[i]->call.cost_usd, isfinite(best) ? best : (double)NAN};
    }
    const db_candidate *c = s->best >= 0 ? s->attempt[s->best].candidate : NULL;
    *out = (worth_run){.call = call,
                       .n = n,
                       .first_s = s->n_attempts ? strat_seconds(s->attempt[0].candidate) : 0,
                       .floor_s = floor_seconds(s),
                       .measured = c && !isnan(c->measured_s)};
}

static bool deal_of(const loop_state *s, worth_deal *out)
{
    ws_err err = {0};
    if (!worth_deal_of(s->spec, s->o->value_usd_per_gpu_hour, s->o->expected_calls,
                       out, &err))
        return true;
    ws_log(WS_LOG_WARN, "economics: %s", err.msg);
    return false;
}

/* ---- what follows ---- */

static void weigh_value(loop_state *s)
{
    ws_arena a = {0};
    worth_run r;
    worth_deal d;
    worth_outlook w;
    ws_buf why = {0};
    run_of(s, &a, &r);
    if (deal_of(s, &d)) {
        worth_look(&r, &d, &w);
        if (w.stop) {
            ws_buf_adds(&why, "the next gain is not worth its price: ");
            worth_print_next(&r, &d, &why);
            while (why.n && why.p[why.n - 1] == '\n')
                why.p[--why.n] = '\0';
            loop_stop(s, "done", ws_buf_z(&why));
        }
    }
    ws_buf_release(&why);
    ws_arena_release(&a);
}

void loop_weigh(loop_state *s)
{
    const loop_options *o = s->o;
    int done = s->n_attempts;
    if (s->stop || s->weighed == done || done < 2)
        return;
    s->weighed = done;
    double best = s->best > 0 ? strat_seconds(s->attempt[s->best].candidate) : (double)INFINITY;
    double speedup = strat_seconds(s->attempt[0].candidate) / best;
    if (o->target_speedup > 0 && speedup >= o->target_speedup)
        loop_stop(s, "done", "the target is reached");
    else if (o->target_roofline > 0 && floor_seconds(s) / best >= o->target_roofline)
        loop_stop(s, "done", "the target fraction of the roofline is reached");
    else if (o->value_usd_per_gpu_hour > 0)
        weigh_value(s);
}

void loop_print_worth(const loop_state *s, ws_buf *out)
{
    ws_arena a = {0};
    worth_run r;
    worth_deal d;
    run_of(s, &a, &r);
    if (s->best > 0 && deal_of(s, &d))
        worth_print_end(&r, &d, out);
    ws_arena_release(&a);
}

cJSON *loop_worth_json(const loop_state *s)
{
    ws_arena a = {0};
    worth_run r;
    worth_deal d;
    run_of(s, &a, &r);
    cJSON *json = s->best > 0 && deal_of(s, &d) ? worth_json(&r, &d) : NULL;
    ws_arena_release(&a);
    return json;
}
