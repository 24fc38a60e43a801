/* Sliding sums: what convolutions and transposed convolutions have in common.
 *
 *     y[n, g, m, t] = sum over c < c_in, taps i of w[g, m, c, i] x[n, g, c, from + i slope + t
 * split]
 *
 * for every item n, group g, channel m < c_out and place t, along one to three axes; x is 0
 * outside. The bound of a sum is that of gemm.h. */
#ifndef REFERENCE_SLIDE_H
#define REFERENCE_SLIDE_H

#include "reference/window.h"

/* One axis. Sum t < count is the result at base + t * step; tap i < taps is that at first + i *
 * period of the kernel, and meets x at from + i * slope + t * split. */
typedef struct ref_slide_axis {
    int64_t count, base, step;
    int64_t taps, first, period;
    int64_t from, slope, split;
} ref_slide_axis;

typedef struct ref_slide {
    ref_slide_axis axis[REF_SPATIAL];
} ref_slide;

/* Several of them that share operands and results; together they give every result once. w[g, m, c,
 * kernel] begins at element ((g c_out c_in) + m to_m + c to_c) taps. */
typedef struct ref_sliding {
    const ref_call *c;
    int64_t groups, c_in, c_out; /* channels of one group */
    int64_t to_m, to_c;
    int64_t x[REF_SPATIAL], y[REF_SPATIAL], kernel[REF_SPATIAL]; /* extents */
    double f;                                                    /* REF_SUM sqrt(terms) ua */
    const ref_slide *slide;
    int64_t n_slides;
} ref_sliding;

/* Writes all of c->out, with the bias c->in[2] if there is one. All cores. */
ws_status ref_slide_sums(const ref_sliding *s, ws_err *err) WS_MUST_CHECK;

#endif
