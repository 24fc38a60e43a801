/* best-of: in every round all lanes sample the same prompt; the next round starts from the best of
 * all, with the next best as inspirations. As long as nothing passes, a lane may repair its own
 * kernel; else a failure is just a lost sample. A lane whose sample was a copy or no kernel gets a
 * direction of its own: a model that answers one prompt always alike would not get further. */
#include "agent/strategy/past.h"

#include <string.h>

enum { REPAIRS = 1, KEEP = 3 };

static bool any_result(const strat_view *v)
{
    for (int i = 0; i < v->n_turns; i++)
        if (strat_result(v, &v->turn[i]) >= 0)
            return true;
    return false;
}

static strat_verdict next(const strat_view *v, int lane, int round, ws_arena *a, strat_step *out)
{
    const strat_turn *last = strat_last(v, lane);
    if (strat_over(v, lane))
        return STRAT_END;
    int repairs = any_result(v) ? 0 : strat_or(v->option.repairs, REPAIRS);
    if (strat_mend(v, lane, round, repairs, a, out))
        return STRAT_ASK;
    *out = strat_step_of(v, lane, round, v->best > 0 ? "improve" : "generate",
                         v->best > 0 ? v->best : -1);
    for (int i = 1; v->best > 0 && i < v->n_attempts; i++) /* without the plain translation */
        strat_inspire(v, out, i, strat_or(v->option.keep, KEEP));
    if (last && strat_is_barren(v, last))
        out->idea = strat_angle_on(v, out->subject, (uint64_t)(lane + round));
    return STRAT_ASK;
}

const strategy strat_best_of = {
    "best-of", "parallel samples of one prompt, the next round from the best of them", 1, next};
