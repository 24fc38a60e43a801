#include "reference/window.h"

ref_window ref_window_of(const ref_attrs *at, const ref_shape *plane, const ref_shape *windows,
                         const ref_shape *kernel)
{
    ref_window w = {.plane_size = 1, .n_windows = 1, .taps = 1};
    int first = REF_SPATIAL - (plane->rank - 2);
    for (int a = 0; a < REF_SPATIAL; a++) {
        int s = a - first;
        w.plane[a] = s < 0 ? 1 : plane->dim[2 + s];
        w.windows[a] = s < 0 ? 1 : windows->dim[2 + s];
        w.kernel[a] = s < 0 ? 1 : kernel ? kernel->dim[2 + s] : at->kernel[s];
        w.stride[a] = s < 0 ? 1 : at->stride[s];
        w.padding[a] = s < 0 ? 0 : at->padding[s];
        w.dilation[a] = s < 0 ? 1 : at->dilation[s];
        w.plane_size *= w.plane[a];
        w.n_windows *= w.windows[a];
        w.taps *= w.kernel[a];
    }
    return w;
}

/* ---- inference ---- */

ws_status ref_check_spatial(ref_infer *f)
{
    int spatial = f->in[0]->rank - 2;
    if (spatial < 1 || spatial > REF_SPATIAL)
        return ref_infer_fail(
            f, "the operand has rank %d; expected [N, C] and one to three spatial axes",
            f->in[0]->rank);
    return WS_OK;
}

const ws_expr *ref_plus(ws_arena *m, const ws_expr *e, int64_t v)
{
    return v < 0 ? ws_expr_binary(m, WS_X_SUB, e, ws_expr_const(m, -v))
                 : ws_expr_binary(m, WS_X_ADD, e, ws_expr_const(m, v));
}

/* One window and ceil(room / stride) behind it, but no more than begin before x + padding. (As
 * padding is at most half the window, room <= x + padding, and at most one window is too many.) */
static const ws_expr *rounded_up(ref_infer *f, const ws_expr *x, const ws_expr *room, int axis)
{
    ws_arena *m = &f->graph->arena;
    const ws_expr *stride = ws_expr_const(m, f->at->stride[axis]);
    const ws_expr *all = ref_plus(m, ws_expr_binary(m, WS_X_CEIL_DIV, room, stride), 1);
    const ws_expr *end = ref_plus(m, x, f->at->padding[axis]);
    return ws_expr_binary(m, WS_X_MIN, all, ws_expr_binary(m, WS_X_CEIL_DIV, end, stride));
}

const ws_expr *ref_window_extent(ref_infer *f, const ws_expr *x, const ws_expr *kernel, int axis)
{
    ws_arena *m = &f->graph->arena;
    const ref_attrs *at = f->at;
    const ws_expr *one = ws_expr_const(m, 1);
    const ws_expr *reach = ws_expr_binary(m, WS_X_MUL, ws_expr_const(m, at->dilation[axis]),
                                          ws_expr_binary(m, WS_X_SUB, kernel, one));
    const ws_expr *padded = ws_expr_binary(m, WS_X_ADD, x, ws_expr_const(m, 2 * at->padding[axis]));
    ref_need_that(f, ws_expr_binary(m, WS_X_GT, padded, reach),
                  "the window fits into the padded operand");
    int64_t known = 0;
    const ws_expr *room = ws_expr_is_const(reach, &known)
                              ? ref_plus(m, x, 2 * at->padding[axis] - known)
                              : ws_expr_binary(m, WS_X_SUB, padded, reach);
    if (at->stride[axis] == 1)
        return room;
    room = ws_expr_is_const(reach, &known) ? ref_plus(m, x, 2 * at->padding[axis] - known - 1)
                                           : ref_plus(m, room, -1);
    if (at->ceil_mode)
        return rounded_up(f, x, room, axis);
    return ref_plus(m, ws_expr_binary(m, WS_X_DIV, room, ws_expr_const(m, at->stride[axis])), 1);
}
