/* The benchmark shape's result from that of a small shape.
 *
 * Along some dims an operation does the same for each index, whatever stands at the others: the rows
 * of a softmax, rows and columns of a matrix product, the images and output channels of a
 * convolution. Where index i of such a dim holds what index i % period of a smaller shape holds, in
 * every tensor that has the dim, so does the result: the reference of the smaller shape is the
 * reference of the whole benchmark shape, whose other dims it shares.
 *
 * Which dims these are is found out, as for relations: at a check shape the reference is evaluated
 * on inputs that repeat at random those of a smaller one, and its result must repeat alike. */
#ifndef VERIFIER_REPEAT_H
#define VERIFIER_REPEAT_H

#include "harness/worker/run.h"
#include "verifier/cases.h"

/* The dims of the smaller shape, in *out, in the arena; where several dims repeat their periods are
 * different primes. false: no dim repeats, or the smaller shape has too much work. */
bool vfy_repeat_shape(const ref_graph *g, uint64_t seed, ws_arena *a, ws_env *out);

/* How a tensor of these expressions at the benchmark shape repeats the one at `small`. */
void vfy_repeat_tile(const spec *s, const ws_expr *const *dim, int rank, size_t element_bytes,
                     const ws_env *small, run_tile *out);
/* The element of the smaller tensor that `element` of the larger one repeats. */
int64_t vfy_repeat_source(const run_tile *t, uint64_t element);

#endif
