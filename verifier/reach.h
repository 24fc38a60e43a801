/* Shapes on the way from the check shapes to the benchmark's.
 *
 * A kernel may be right at the shapes that the spec lists and take another path where a dim is
 * large. So every dim is tried at its benchmark value, or as far as that is cheap, with the others
 * small; and all of them at once, halved until that is cheap. */
#ifndef VERIFIER_REACH_H
#define VERIFIER_REACH_H

#include "harness/plan/plan.h"
#include "verifier/cases.h"

/* At most one shape for each dim and one for all; fewer where none is cheap or the spec has none.
 * Returns how many; the bindings live in the arena. */
int vfy_reach_shapes(const ref_graph *g, ws_arena *a, ws_env *out, int max);

/* The same with the other dims equal and multiples of 16, as vectors, tiles and tensor cores ask
 * for: as large as is cheap, where the benchmark shape has such dims. */
int vfy_reach_aligned(const ref_graph *g, ws_arena *a, ws_env *out, int max);

/* For a plan that does not take every shape: one with dims as ragged as it allows, odd multiples of
 * the least power of two that it takes. A kernel that requires N % 4 == 0 may count on tiles of 64.
 * false: it takes none such. */
bool vfy_reach_ragged(const ref_graph *g, const plan *p, const int64_t *tune, ws_arena *a,
                      ws_env *out);

/* A shape at which some launch has all the blocks that it ever has, where its grid is cut off:
 * plans of kernels whose blocks go through the work in strides say min(tiles, 132), and at the
 * check shapes each block has one tile. As small as that can be and then twice that, if it is cheap
 * enough. false: no grid is cut off, or it takes too long. */
bool vfy_reach_full_grid(const ref_graph *g, const plan *p, const int64_t *tune, ws_arena *a,
                         ws_env *out);

/* Of inputs and weights, whether the operation reads all of them or not: they are made, and an
 * element of two bytes takes no less than one of four. Infinite where they cannot be. */
double vfy_reach_input_bytes(const ref_graph *g, const ws_env *env);

/* Inputs of a kind of the quick list at such a shape. `draw` is what the calls have in common, for
 * the caller to release at last; NULL: there is only one. */
ws_status vfy_reach_case(vfy_case *c, const ref_graph *g, const ws_env *env, vfy_inputs kind,
                         uint64_t seed, vfy_draw *draw, ws_err *err) WS_MUST_CHECK;

#endif
