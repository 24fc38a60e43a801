/* What strategies read out of a view: how a turn ended, what it gained, when a lane is done. */
#ifndef AGENT_STRATEGY_PAST_H
#define AGENT_STRATEGY_PAST_H

#include "agent/strategy/strategy.h"

/* A change of less is noise of the measurement, and no gain. */
#define STRAT_GAIN 0.005

/* option, or what the strategy has in its place */
static inline int strat_or(int option, int otherwise)
{
    return option > 0 ? option : otherwise;
}

/* Attempt `i` passes in less time than `than`; any that passes is faster than -1. */
bool strat_faster(const strat_view *v, int i, int than);
/* The same by more than STRAT_GAIN. */
bool strat_gains(const strat_view *v, int i, int than);

/* The lane's last turn, NULL: it has none. */
const strat_turn *strat_last(const strat_view *v, int lane);
/* The call brought no answer (a server's or the network's fault): the same may be asked again. */
bool strat_lost(const strat_turn *t);
/* A text turn whose text can be used. */
bool strat_has_text(const strat_turn *t);
/* The fastest attempt of the turn that passes and is no copy, its tuned forms among them; -1:
 * none. */
int strat_result(const strat_view *v, const strat_turn *t);
/* The turn's kernel is a copy of an earlier attempt, and its tuned forms bring nothing new. */
bool strat_is_copy(const strat_view *v, const strat_turn *t);
/* The whole reply is "STOP: ..." to a question about a kernel that passes: an answer, and the end
 * of its lane. */
bool strat_stopped(const strat_view *v, const strat_turn *t);
/* The turn brought nothing to work with: no usable reply, or a copy. */
bool strat_is_barren(const strat_view *v, const strat_turn *t);
/* Kernels since the best of all became better (by STRAT_GAIN). */
int strat_stale(const strat_view *v);
/* The lane ends: its model says that nothing is left; too many barren replies in a row, its own or
 * three from each lane; or stagnation, as the option says. */
bool strat_over(const strat_view *v, int lane);

/* A step with nothing but purpose and subject; `model` as strat_model_for. */
strat_step strat_step_of(const strat_view *v, int lane, int round, const char *purpose,
                         int subject);
/* The model that is asked in this turn. */
int strat_model_for(const strat_view *v, int lane, int round);
/* When the lane's last turn has to be mended first, true and the step: the same again after a call
 * that was lost, "again" after a reply without a kernel, "repair" of a kernel that fails, at most
 * `repairs` times for one. Idea and note are those of the turn before. */
bool strat_mend(const strat_view *v, int lane, int round, int repairs, ws_arena *a,
                strat_step *out);
/* Adds attempt `i` to the inspirations unless it is the subject, a copy or there already; keeps
 * them worst first and drops the worst when there are more than `max`. */
void strat_inspire(const strat_view *v, strat_step *s, int i, int max);

/* Directions of optimisation that fit the spec, in an order that suits most kernels; any k. */
const char *strat_angle(const strat_view *v, uint64_t k);
int strat_n_angles(const strat_view *v);
/* The same without what attempt `subject` already does, as its source and counters show; NULL:
 * nothing is left. */
const char *strat_angle_on(const strat_view *v, int subject, uint64_t k);
/* At most `max` bytes of a model's text without white space around; what is longer is cut between
 * words and ends in "...". */
char *strat_text(ws_arena *a, const char *text, size_t max);

/* The strategies, a file each. */
extern const strategy strat_refine, strat_best_of, strat_ideas, strat_evolve;

#endif
