/* What a run would ask next, for people and agents that carry prompts and replies themselves. */
#include "agent/loop/state.h"

#include <stdlib.h>

ws_status loop_prompt_next(const char *archive, const char *run, const char *dir, loop_prompt *out,
                           ws_err *err)
{
    loop_options o = {0};
    loop_state s = {.o = &o, .strategy = &loop_refine, .best = -1};
    db_run *r = &s.run;
    ws_status st = db_open(archive, true, &s.db, err);
    if (!st)
        st = db_run_find(s.db, run, &s.arena, r, err);
    if (!st)
        st = loop_options_of_run(r, &s.arena, &o, err);
    if (!st)
        st = spec_from_text(r->spec_json, ws_str_of(r->spec_json).n, r->spec_name, &s.spec, err);
    if (!st)
        st = loop_load_attempts(&s, err);
    if (!st && !s.n_attempts)
        st = ws_fail(err, WS_EINPUT, "run '%s' has judged nothing yet", r->name);
    if (!st) {
        loop_history h = loop_history_of(&s);
        loop_step step = s.strategy->next(&h);
        st = loop_prompt_make(s.spec, dir ? dir : o.prompts, r->gpu, &h, &step, out, err);
    }
    db_close(s.db);
    spec_free(s.spec);
    free(s.attempt);
    ws_arena_release(&s.arena);
    return st;
}
