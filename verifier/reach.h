/* Shapes on the way from the check shapes to the benchmark's.
 *
 * A kernel may be right at the shapes that the spec lists and take another path where a dim is
 * large. So every dim is tried at its benchmark value, or as far as that is cheap, with the others
 * small; and all of them at once, halved until that is cheap. */
#ifndef VERIFIER_REACH_H
#define VERIFIER_REACH_H

#include "verifier/cases.h"

/* At most one shape for each dim and one for all; fewer where none is cheap or the spec has none.
 * Returns how many; the bindings live in the arena. */
int vfy_reach_shapes(const ref_graph *g, ws_arena *a, ws_env *out, int max);

/* Inputs of a kind of the quick list at such a shape. */
ws_status vfy_reach_case(vfy_case *c, const ref_graph *g, const ws_env *env, vfy_inputs kind,
                         uint64_t seed, ws_err *err) WS_MUST_CHECK;

#endif
