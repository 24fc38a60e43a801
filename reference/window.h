/* Windows that slide over one to three spatial axes, x[N, C, spatial...]. Fewer than three axes are
 * padded in front with extents of 1, so that every loop runs over (depth, row, column). */
#ifndef REFERENCE_WINDOW_H
#define REFERENCE_WINDOW_H

#include "reference/ops.h"

enum { REF_SPATIAL = 3 };

/* Window `o` covers the positions o * stride - padding + k * dilation of an axis, k < kernel. A
 * convolution and a pool read the positions; a transposed convolution adds to them. */
typedef struct ref_window {
    int64_t plane[3], windows[3]; /* positions and windows along each axis */
    int64_t kernel[3], stride[3], padding[3], dilation[3];
    int64_t plane_size, n_windows, taps; /* products */
} ref_window;

/* Extents behind the channels: of the plane, of the windows, of the kernel (NULL: at->kernel). */
ref_window ref_window_of(const ref_attrs *at, const ref_shape *plane, const ref_shape *windows,
                         const ref_shape *kernel);
static inline int64_t ref_window_at(const ref_window *w, int axis, int64_t o, int64_t k)
{
    return o * w->stride[axis] - w->padding[axis] + k * w->dilation[axis];
}

/* ---- inference ---- */

/* [N, C] and one to three spatial axes. */
ws_status ref_check_spatial(ref_infer *f);
/* Number of windows along an axis: floor((x + 2 padding - dilation (kernel - 1) - 1) / stride) + 1;
 * with ceil_mode rounded up, but for a window that would start behind the operand and its left
 * padding. */
const ws_expr *ref_window_extent(ref_infer *f, const ws_expr *x, const ws_expr *kernel, int axis);
/* e + v */
const ws_expr *ref_plus(ws_arena *m, const ws_expr *e, int64_t v);

#endif
