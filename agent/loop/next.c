/* What a run would ask next, for people and agents that carry prompts and replies themselves. */
#include "agent/loop/state.h"

#include "agent/strategy/view.h"
#include "reference/graph.h"

#include <stdlib.h>

/* The first turn that has no answer yet: its own step when it was asked, else what the strategy
 * says. */
static ws_status next_prompt(loop_state *s, const char *dir, prompt_text *out, ws_err *err)
{
    ws_arena a = {0};
    strat_view v;
    strat_step step;
    int round = 0;
    for (int i = 0; i < s->n_turns; i++) {
        s->turn[i]->done = s->turn[i]->answered;
        if (s->turn[i]->answered && s->turn[i]->lane == 0 && s->turn[i]->round >= round)
            round = s->turn[i]->round + 1;
    }
    loop_view(s, 0, round, &a, &v, NULL);
    ws_status st = WS_OK;
    if (s->strategy->next(&v, 0, round, &a, &step) != STRAT_ASK)
        st = ws_fail(err, WS_EINPUT, "run '%s' has nothing more to ask", s->run.name);
    prompt_context c = {.spec = s->spec, .dir = dir, .gpu = s->run.gpu, .view = &v, .step = &step};
    if (!st)
        st = prompt_make(&c, out, err);
    ws_arena_release(&a);
    return st;
}

ws_status loop_prompt_next(const char *archive, const char *run, const char *dir, prompt_text *out,
                           ws_err *err)
{
    loop_options o = {.n_models = 1};
    loop_state s = {.o = &o, .best = -1, .lanes = 1, .slack = 1};
    db_run *r = &s.run;
    ws_status st = db_open(archive, true, &s.db, err);
    if (!st)
        st = db_run_find(s.db, run, &s.arena, r, err);
    if (!st)
        st = loop_options_of_run(r, &s.arena, &o, err);
    if (!st) {
        s.strategy = o.strategy ? strategy_find(o.strategy) : strategies[0];
        s.strategy = s.strategy ? s.strategy : strategies[0];
        s.lanes = o.lanes > 0 ? (int)o.lanes : 1;
        s.slack = o.slack > 0 ? (int)o.slack : 1;
        st = spec_from_text(r->spec_json, ws_str_of(r->spec_json).n, r->spec_name, &s.spec, err);
    }
    if (!st)
        st = loop_restore(&s, err);
    if (!st && !s.n_attempts)
        st = ws_fail(err, WS_EINPUT, "run '%s' has judged nothing yet", r->name);
    if (!st)
        st = next_prompt(&s, dir ? dir : o.prompts, out, err);
    db_close(s.db);
    ref_graph_free(s.graph);
    spec_free(s.spec);
    free(s.turn);
    free(s.attempt);
    ws_arena_release(&s.arena);
    return st;
}
