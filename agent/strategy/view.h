/* What a lane may see: the part of a run's turns that makes what it asks follow from the seed and
 * the replies, never from which of them came first. */
#ifndef AGENT_STRATEGY_VIEW_H
#define AGENT_STRATEGY_VIEW_H

#include "agent/strategy/strategy.h"
#include "base/sha256.h"

/* The view of `lane` before it asks in `round`: all turns of its own earlier rounds, those of the
 * other lanes up to round - slack (slack >= 1; 1: nobody is ahead of the others).
 *
 * `all` has the finished turns and the judged attempts in any order, only generation 0 must be
 * first; indices in it (strat_step.subject, strat_turn.attempt, ...) are of all->attempt; `best`
 * and `same_as` are not read but found anew. An attempt whose turn is not visible is left out, so
 * an attempt may be there before its turn is.
 *
 * Arrays of `out` are in `a`, texts stay where they are. (*to_all)[i] is the index in all->attempt
 * of out->attempt[i]; NULL: not wanted. */
void strat_view_for(const strat_view *all, int lane, int round, int slack, ws_arena *a,
                    strat_view *out, int **to_all);
/* What a candidate is known by before it runs: PTX, or the source where none was compiled, the
 * plan's text and the tunables. "": nothing of it is there. */
void strat_binary_key(const char *ptx_sha256, const char *source, const char *tune_json,
                      char out[WS_SHA256_HEX]);
/* Fills what tells copies and twins, once, where an attempt is put into `all`. The texts are in
 * `a`. */
void strat_attempt_mark(strat_attempt *x, ws_arena *a);
/* The same step with the indices that `to_all` gives. */
strat_step strat_step_mapped(const strat_step *s, const int *to_all);
/* Whether all is finished that strat_view_for may show: finished[l] is the number of rounds that
 * lane l has behind it (asked or skipped), INT_MAX when it has ended. */
bool strat_view_ready(const int *finished, int lanes, int lane, int round, int slack);

#endif
