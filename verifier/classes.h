/* Distributions of the elements of one tensor, made from those that its init gives: what the values
 * look like, never which of them are legal. A class is a pure function of (seed, stream). */
#ifndef VERIFIER_CLASSES_H
#define VERIFIER_CLASSES_H

#include "reference/graph.h"

/* id, name, "even": all elements stay of one magnitude. Rows are those of the last axis; gain is 64
 * and peak 256, of formats of 16 bits and less both are 16.
 *   AS_INIT   as the init has them
 *   NEGATIVE  all below zero
 *   LARGE     times gain
 *   LOW       all below -128, where exponentials in f32 are 0
 *   SIGNED    signs drawn anew
 *   HEAVY     signs drawn anew, and magnitudes with a long tail up to peak
 *   SORTED    every row ascending
 *   SPIKE     one element a row times peak
 *   TINY      below the smallest normal number of f32, or of f16
 *   RANGE     magnitudes over 26 powers of two, of 16 bits and less over 12
 *   CANCEL    neighbours that cancel but for a sixteenth
 *   TIES      three values a row, of three bits
 *   EQUAL     one value, of three bits
 *   ZERO      zeros
 *   PERTURBED each a little off, zeros too: what a weight may be beside its init; of whole numbers
 *             that an expression gives, others of their range, or the same in another order
 *   MIXED     stretches of different lengths at random places, each of another class
 *   (of HEAVY, SPIKE, RANGE and MIXED the first element of a row gets no larger than it was)
 *   ALIKE     every row the first one, but for some elements of its middle half
 *   SPECIAL   as init, but for a NaN or an infinity in one row of eight, in one at least
 *   PEAK      as init, but for one element a row greater than the others by more than exponentials in f32 have room
 *             for: the first, the last, or one between, row by row
 *   NEXT      numbers next to each other in the tensor's format, from 1 or -1 on: half as many as a row has elements
 * and of whole numbers and flags, within what the init draws from:
 *   LEAST, MOST, SAME (one legal value), ONE_TRUE, ALL_TRUE, ONE_FALSE (a row) */
#define VFY_CLASSES(X)                                                                             \
    X(AS_INIT, true) X(NEGATIVE, true) X(LARGE, true) X(LOW, true) X(SIGNED, true) X(HEAVY, false) \
    X(SORTED, true) X(SPIKE, false) X(TINY, false) X(RANGE, false) X(CANCEL, false)                \
    X(TIES, true) X(EQUAL, false) X(ZERO, false) X(PERTURBED, true) X(MIXED, false)                \
    X(SPECIAL, true) X(ALIKE, false) X(PEAK, false) X(NEXT, false) X(LEAST, true) X(MOST, true)    \
    X(SAME, true) X(ONE_TRUE, true) X(ALL_TRUE, true) X(ONE_FALSE, true)
typedef enum vfy_class {
#define X(id, even) VFY_CLASS_##id,
    VFY_CLASSES(X)
#undef X
    VFY_CLASS_COUNT
} vfy_class;

/* Every element keeps the magnitude of its tensor: bounds that hold for a whole channel hold. */
bool vfy_class_is_even(vfy_class c);

/* Changes v[shape.count], rounded to the tensor's dtype, which holds what the init gave at `env`.
 * A class of whole numbers leaves what is no plain random draw: offsets, ranges and what a setup
 * graph makes. false: nothing was changed. */
bool vfy_class_apply(vfy_class c, const spec_tensor *t, const ref_shape *shape, const ws_env *env,
                     uint64_t seed, uint64_t stream, double *v);

#endif
