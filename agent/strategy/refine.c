/* refine: repair until right, then one change at a time, each justified by named evidence.
 *
 * Every lane is a chain of its own. It works on its base, the fastest kernel that it has made; a
 * change that is no faster is dropped, since the next one starts from the base again. After
 * `patience` kernels without gain a lane takes the best of all lanes as its base, as that of one
 * lane always is. Lanes open in different directions (angles.c).
 *
 * With the option `diagnose` a text turn names the bottleneck first and a kernel turn follows it:
 * two prompts, and with several models two of them (the first diagnoses, the second writes). */
#include "agent/strategy/past.h"

#include <string.h>

enum { REPAIRS = 3, PATIENCE = 4, LONGEST_DIAGNOSIS = 6000 };

static bool starts(const strat_turn *t)
{
    return strcmp(t->step.purpose, "improve") == 0 || strcmp(t->step.purpose, "diagnose") == 0;
}

/* The lane's base; *failures: its kernels since it has this base. */
static int base_of(const strat_view *v, int lane, int *failures)
{
    int base = -1;
    *failures = 0;
    for (int i = 0; i < v->n_turns; i++) {
        const strat_turn *t = &v->turn[i];
        if (t->lane != lane)
            continue;
        if (starts(t) && t->step.subject != base) { /* it was given another base */
            base = t->step.subject;
            *failures = 0;
        }
        if (t->step.reply != STRAT_KERNEL)
            continue;
        int r = strat_result(v, t);
        *failures = strat_gains(v, r, base) ? 0 : *failures + 1;
        if (strat_faster(v, r, base))
            base = r;
    }
    return base;
}

static strat_step improve(const strat_view *v, int lane, int round, int base, const char *idea)
{
    strat_step s = strat_step_of(v, lane, round, "improve", base);
    s.idea = idea;
    return s;
}

/* A diagnosis of `base`, then the change that it asks for. */
static strat_step diagnosed(const strat_view *v, int lane, int round, int base, ws_arena *a)
{
    const strat_turn *last = strat_last(v, lane);
    if (strcmp(last->step.purpose, "diagnose") == 0 && last->step.subject == base) {
        const char *text = strat_has_text(last) ? last->reply : NULL;
        strat_step s =
            improve(v, lane, round, base, text ? strat_text(a, text, LONGEST_DIAGNOSIS) : NULL);
        if (v->n_models > 1)
            s.model = 1;
        return s;
    }
    strat_step s = strat_step_of(v, lane, round, "diagnose", base);
    s.reply = STRAT_TEXT;
    s.model = 0;
    return s;
}

static strat_verdict next(const strat_view *v, int lane, int round, ws_arena *a, strat_step *out)
{
    int failures;
    const strat_turn *last = strat_last(v, lane);
    if (strat_over(v, lane))
        return STRAT_END;
    if (strat_mend(v, lane, round, strat_or(v->option.repairs, REPAIRS), a, out))
        return STRAT_ASK;
    int base = base_of(v, lane, &failures);
    bool tired = failures >= strat_or(v->option.patience, PATIENCE);
    if (v->lanes == 1 || (tired && strat_faster(v, v->best, base)))
        base = v->best;
    if (!last || base < 0) { /* the opening, or one more when nothing passes */
        bool varied = v->lanes > 1 || last;
        *out = strat_step_of(v, lane, round, "generate", -1);
        out->idea = varied ? strat_angle(v, (uint64_t)(lane + round)) : NULL;
    } else if (v->option.diagnose) {
        *out = diagnosed(v, lane, round, base, a);
    } else { /* what failed before is in the prompt; a direction keeps lanes apart */
        bool varied = failures > 0;
        *out = improve(v, lane, round, base,
                       varied ? strat_angle_on(v, base, (uint64_t)(lane + round)) : NULL);
    }
    return STRAT_ASK;
}

const strategy strat_refine = {
    "refine", "repair until right, then one justified change at a time on the best so far", 2,
    next};
