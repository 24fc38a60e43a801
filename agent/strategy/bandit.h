/* Which model is asked, and for what kind of step: by gain per dollar so far.
 *
 * The gain of a turn is ln(before / after), where `before` is the time of its subject (of the best
 * kernel before it when the subject does not pass or there is none); what is slower or wrong gains
 * nothing, whatever by how much (the asymmetric UCB over models of ShinkaEvolve, which also divides
 * by cost), and a kernel that passes gains a little in any case. The index of an arm is (mean gain
 * + bonus) / mean cost (budgeted UCB: Xia et al., IJCAI 2015, i-BUCB), with UCB1's bonus. Beside it
 * every arm keeps a small share of the dollars, so that none starves on bad luck.
 *
 * A pure function of the view: the same turns and key, the same answer. */
#ifndef AGENT_STRATEGY_BANDIT_H
#define AGENT_STRATEGY_BANDIT_H

#include "agent/strategy/strategy.h"

/* The model to ask, an index of v->model. `key` tells requests apart that see the same view: the
 * turn's number. Turns whose reply is a text count for nothing: what they bring shows later. */
int bandit_choose(const strat_view *v, uint64_t key);

/* The same over pairs of a model and one of `n` purposes: the index of the purpose, and *model. */
int bandit_choose_step(const strat_view *v, const char *const *purpose, int n, uint64_t key,
                       int *model);

#endif
