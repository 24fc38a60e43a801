/* Bounds of deep graphs by trial. Adding up the worst case of every op has no limit where errors of
 * random sign pass through many sums: after some layers the bound says nothing. There the graph is
 * evaluated again, TRIALS times, every result off by a random part of the bound of its own op for
 * exact operands, which is what an honest evaluation does in whatever order it sums; a part of it
 * common to a channel, as the errors of a mean or a scale are. What the outputs differ by from the
 * exact ones, as the root of the mean square over a channel or as the element's own largest,
 * times FACTOR, and no less than the bound of the output's own op, is the bound where it is below
 * the propagated one. */
#ifndef REFERENCE_TRIAL_H
#define REFERENCE_TRIAL_H

#include "reference/ops.h"

/* Sums, norms and the like in a row on some way through the graph, from which on trials decide. */
enum { REF_DEEP = 4 };

/* The graph is that deep, and nothing in it is rounded to whole numbers or to 8 bits: a step that
 * an error takes or does not take shows in no average. */
bool ref_is_deep(const ref_graph *g);
/* Lowers output[o].e, which holds propagated bounds, and sets output[o].by_trial. The inputs are
 * exact. last_use: per value, the last node that reads it. */
ws_status ref_bound_by_trial(const ref_bound *b, const ref_tensor *input, const int *last_use,
                             ref_tensor *output, ws_err *err) WS_MUST_CHECK;

#endif
