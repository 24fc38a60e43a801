/* Convolution and transposed convolution, as products of matrices.
 *
 *     conv            y[n, g] = w[g] cols,    cols[c taps][windows] gathered from x[n, g]
 *     conv_transpose  y[n, g] = scattered from w[g]' x[n, g]
 *
 * g: a group of channels. The bound of a sum is that of gemm.h. */
#include "reference/gemm.h"
#include "reference/window.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- shapes ---- */

/* `split`: the channels of the weights that divide into groups. */
static ws_status check_weights(ref_infer *f, const ws_expr *split, const ws_expr *bias_extent)
{
    ws_arena *m = &f->graph->arena;
    ref_need_equal(f, ws_expr_binary(m, WS_X_MOD, split, f->at->groups), ws_expr_const(m, 0),
                   "output channels divide into groups");
    if (f->n_in < 3)
        return WS_OK;
    if (f->in[2]->rank != 1)
        return ref_infer_fail(f, "the bias has rank %d", f->in[2]->rank);
    ref_need_equal(f, f->in[2]->dim[0], bias_extent, "one bias a channel");
    return WS_OK;
}

static ws_status infer_ranks(ref_infer *f)
{
    const ref_value *x = f->in[0], *w = f->in[1];
    ws_arena *m = &f->graph->arena;
    if (ref_check_spatial(f))
        return f->err->status;
    if (w->rank != x->rank)
        return ref_infer_fail(f, "weights of rank %d for an operand of rank %d", w->rank, x->rank);
    if (!f->at->groups)
        f->at->groups = ws_expr_const(m, 1);
    ref_need_that(f, ws_expr_binary(m, WS_X_GE, f->at->groups, ws_expr_const(m, 1)),
                  "'groups' is at least 1");
    for (int s = 0; s < x->rank - 2; s++)
        ref_need_that(f, ws_expr_binary(m, WS_X_GT, w->dim[2 + s], ws_expr_const(m, 0)),
                      "the window is not empty");
    f->out->rank = x->rank;
    f->out->dim[0] = x->dim[0];
    return WS_OK;
}

/* x[N, C, ...], w[K, C / groups, ...], b[K] -> [N, K, ...] */
static ws_status infer_conv(ref_infer *f)
{
    const ref_value *x = f->in[0], *w = f->in[1];
    if (infer_ranks(f))
        return f->err->status;
    ref_need_equal(f, x->dim[1],
                   ws_expr_binary(&f->graph->arena, WS_X_MUL, w->dim[1], f->at->groups),
                   "channels are those of the weights times groups");
    if (check_weights(f, w->dim[0], w->dim[0]))
        return f->err->status;
    f->out->dim[1] = w->dim[0];
    for (int s = 0; s < x->rank - 2; s++)
        f->out->dim[2 + s] = ref_window_extent(f, x->dim[2 + s], w->dim[2 + s], s);
    return WS_OK;
}

/* (x - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1 */
static const ws_expr *transposed_extent(ref_infer *f, const ws_expr *x, const ws_expr *kernel,
                                        int axis)
{
    ws_arena *m = &f->graph->arena;
    const ref_attrs *at = f->at;
    const ws_expr *reach =
        ws_expr_binary(m, WS_X_MUL, ref_plus(m, kernel, -1), ws_expr_const(m, at->dilation[axis]));
    const ws_expr *starts =
        ws_expr_binary(m, WS_X_MUL, ref_plus(m, x, -1), ws_expr_const(m, at->stride[axis]));
    const ws_expr *all = ref_plus(m, ws_expr_binary(m, WS_X_ADD, starts, reach),
                                  at->output_padding[axis] + 1 - 2 * at->padding[axis]);
    ref_need_that(f, ws_expr_binary(m, WS_X_GT, all, ws_expr_const(m, 0)),
                  "padding leaves something of the result");
    return all;
}

/* x[N, C, ...], w[C, K / groups, ...], b[K] -> [N, K, ...] */
static ws_status infer_conv_transpose(ref_infer *f)
{
    ws_arena *m = &f->graph->arena;
    const ref_value *x = f->in[0], *w = f->in[1];
    const ref_attrs *at = f->at;
    if (infer_ranks(f))
        return f->err->status;
    f->out->dim[1] = ws_expr_binary(m, WS_X_MUL, w->dim[1], at->groups);
    ref_need_equal(f, x->dim[1], w->dim[0], "channels are those of the weights");
    if (check_weights(f, w->dim[0], f->out->dim[1]))
        return f->err->status;
    for (int s = 0; s < x->rank - 2; s++) {
        if (at->output_padding[s] >= at->stride[s] && at->output_padding[s] >= at->dilation[s])
            return ref_infer_fail(f, "output_padding is not below stride or dilation");
        f->out->dim[2 + s] = transposed_extent(f, x->dim[2 + s], w->dim[2 + s], s);
    }
    return WS_OK;
}

/* ---- what both share ---- */

typedef struct conv_job {
    const ref_call *c;
    ref_window w;
    int64_t groups, c_in, c_out; /* channels of one group */
    ref_factor a, b;             /* the weights; conv_transpose: x */
    double f;                    /* of the bound: REF_SUM sqrt(terms) ua */
    int64_t parts;               /* tasks of one group */
    atomic_int failed;
} conv_job;

static void add_bias(const ref_call *c, int64_t channel, int64_t at, int64_t n)
{
    const ref_tensor *bias = c->n_in > 2 ? c->in[2] : NULL;
    for (int64_t i = 0; bias && i < n; i++) {
        c->out->v[at + i] += bias->v[channel];
        if (c->out->e)
            c->out->e[at + i] += ref_err(bias, channel) + c->u * fabs(c->out->v[at + i]);
    }
}

/* Elements of a working array: what a level-2 cache holds. */
enum { WORKING_SET = 1 << 18 };

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t at_least(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Enough tasks for all cores out of `lines` things to split in every group. */
static void choose_parts(conv_job *j, int64_t lines)
{
    const int64_t tasks = 16;
    int64_t groups = j->c->in[0]->shape.dim[0] * j->groups;
    j->parts = at_least(1, at_most(lines, (tasks + groups - 1) / at_least(1, groups)));
}

/* ---- conv ---- */

/* The columns of windows [first, end), and for the bound their magnitudes and f |x| + e(x). */
static void gather_columns(const conv_job *j, int64_t x_at, int64_t first, int64_t end,
                           ref_factor *cols, double *v)
{
    const ref_tensor *x = j->c->in[0];
    int64_t n = end - first, rows = j->c_in * j->w.taps;
    for (int64_t r = 0; r < rows; r++) {
        int64_t plane = x_at + r / j->w.taps * j->w.plane_size, tap = r % j->w.taps;
        ref_window_gather(&j->w, x->v + plane, tap, first, end, v + r * n);
        if (cols->weighted && x->e)
            ref_window_gather(&j->w, x->e + plane, tap, first, end, cols->weighted + r * n);
    }
    cols->v = v;
    for (int64_t i = 0; cols->size && i < rows * n; i++) {
        cols->size[i] = fabs(v[i]);
        cols->weighted[i] = j->f * cols->size[i] + (x->e ? cols->weighted[i] : 0);
    }
}

/* Windows [first, end) of one group of one item, a cache full of columns at a time. */
static ws_status conv_windows(const conv_job *j, int64_t group, int64_t first, int64_t end,
                              double *buffer, int64_t step, ws_err *err)
{
    ref_tensor *out = j->c->out;
    int64_t rows = j->c_in * j->w.taps, size = rows * step, g = group % j->groups;
    ref_factor cols = {0};
    if (out->e) {
        cols.size = buffer + size;
        cols.weighted = buffer + 2 * size;
    }
    for (; first < end; first += step) {
        int64_t stop = at_most(end, first + step);
        int64_t y = group * j->c_out * j->w.n_windows + first;
        gather_columns(j, group * j->c_in * j->w.plane_size, first, stop, &cols, buffer);
        ref_product p = {.a = &j->a,
                         .b = &cols,
                         .m = j->c_out,
                         .n = stop - first,
                         .k = rows,
                         .a_at = g * j->c_out * rows,
                         .a_step = rows,
                         .b_step = stop - first,
                         .c_step = j->w.n_windows,
                         .v = out->v + y,
                         .e = out->e ? out->e + y : NULL};
        if (ref_multiply(&p, err))
            return err->status;
        for (int64_t k = 0; k < j->c_out; k++)
            add_bias(j->c, g * j->c_out + k, y + k * j->w.n_windows, stop - first);
    }
    return WS_OK;
}

static void conv_task(void *ud, int64_t index)
{
    conv_job *j = ud;
    ws_err err = {0};
    int64_t group = index / j->parts, part = index % j->parts;
    int64_t first = j->w.n_windows * part / j->parts;
    int64_t end = j->w.n_windows * (part + 1) / j->parts;
    int64_t rows = at_least(1, j->c_in * j->w.taps);
    int64_t step = at_least(at_most(WORKING_SET / rows, end - first), 16);
    double *buffer = ws_alloc_tensor_unset((size_t)rows * (size_t)step * 3 * sizeof *buffer);
    if (!buffer || conv_windows(j, group, first, end, buffer, step, &err))
        j->failed = 1;
    free(buffer);
}

/* Weights as a factor; runs the tasks of every group of every item. */
static ws_status run_conv(conv_job *j, double work, void (*task)(void *ud, int64_t index))
{
    const ref_call *c = j->c;
    const ref_tensor *w = c->in[1];
    ws_status st =
        ref_factor_init(&j->a, w->v, w->e, w->shape.count, c->out->e != NULL, -1, false, c->err);
    if (!st) {
        ref_for(c->in[0]->shape.dim[0] * j->groups * j->parts, work, task, j);
        if (j->failed)
            st = ws_fail(c->err, WS_ELIMIT, "no memory for a convolution's columns");
    }
    ref_factor_release(&j->a);
    return st;
}

static ws_status eval_conv(const ref_call *c)
{
    const ref_shape *x = &c->in[0]->shape, *w = &c->in[1]->shape, *y = &c->out->shape;
    conv_job j = {.c = c, .w = ref_window_of(c->at, x, y, w)};
    if (ws_expr_eval(c->at->groups, c->env, &j.groups, c->err))
        return c->err->status;
    j.c_in = w->dim[1];
    j.c_out = w->dim[0] / j.groups;
    j.f = REF_SUM * sqrt((double)(j.c_in * j.w.taps)) * c->ua;
    choose_parts(&j, j.w.n_windows);
    return run_conv(&j, 1e5 + (double)j.w.n_windows * (double)j.w.taps, conv_task);
}

/* ---- conv_transpose ---- */

/* Adds w' x of the positions [first, end) of x to the output channels [k0, k1) of the group. */
static ws_status scatter_block(const conv_job *j, int64_t group, int64_t k0, int64_t k1,
                               int64_t first, int64_t end, double *buffer, ws_err *err)
{
    ref_tensor *out = j->c->out;
    int64_t rows = (k1 - k0) * j->w.taps, n = end - first, g = group % j->groups;
    ref_product p = {.a = &j->a,
                     .b = &j->b,
                     .m = rows,
                     .n = n,
                     .k = j->c_in,
                     .a_at = (g * j->c_in * j->c_out + k0) * j->w.taps,
                     .a_step = j->c_out * j->w.taps,
                     .trans_a = true,
                     .b_at = group * j->c_in * j->w.n_windows + first,
                     .b_step = j->w.n_windows,
                     .c_step = n,
                     .v = buffer,
                     .e = out->e ? buffer + rows * n : NULL};
    if (ref_multiply(&p, err))
        return err->status;
    for (int64_t r = 0; r < rows; r++) {
        int64_t plane = (group * j->c_out + k0 + r / j->w.taps) * j->w.plane_size;
        ref_window_scatter(&j->w, out->v + plane, r % j->w.taps, first, end, p.v + r * n);
        if (p.e)
            ref_window_scatter(&j->w, out->e + plane, r % j->w.taps, first, end, p.e + r * n);
    }
    return WS_OK;
}

static void transposed_task(void *ud, int64_t index)
{
    conv_job *j = ud;
    ws_err err = {0};
    int64_t group = index / j->parts, part = index % j->parts;
    int64_t k0 = j->c_out * part / j->parts, k1 = j->c_out * (part + 1) / j->parts;
    int64_t rows = at_least(1, (k1 - k0) * j->w.taps);
    int64_t step = at_least(at_most(WORKING_SET / rows, j->w.n_windows), 16);
    double *buffer = ws_alloc_tensor_unset((size_t)rows * (size_t)step * 2 * sizeof *buffer);
    for (int64_t first = 0; buffer && first < j->w.n_windows; first += step)
        if (scatter_block(j, group, k0, k1, first, at_most(j->w.n_windows, first + step), buffer,
                          &err))
            j->failed = 1;
    if (!buffer)
        j->failed = 1;
    for (int64_t k = k0; k < k1; k++)
        add_bias(j->c, group % j->groups * j->c_out + k, (group * j->c_out + k) * j->w.plane_size,
                 j->w.plane_size);
    free(buffer);
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* The most taps that meet in one place along an axis: those k whose k * dilation agree modulo the
 * stride. */
static int64_t meeting_taps(const ref_window *w, int axis)
{
    int64_t period = w->stride[axis] / common_divisor(w->stride[axis], w->dilation[axis]);
    return (w->kernel[axis] + period - 1) / period;
}

static ws_status eval_conv_transpose(const ref_call *c)
{
    const ref_tensor *x = c->in[0];
    const ref_shape *w = &c->in[1]->shape;
    conv_job j = {.c = c, .w = ref_window_of(c->at, &c->out->shape, &x->shape, w)};
    if (ws_expr_eval(c->at->groups, c->env, &j.groups, c->err))
        return c->err->status;
    j.c_in = w->dim[0] / j.groups;
    j.c_out = w->dim[1];
    double terms = (double)j.c_in;
    for (int a = 0; a < REF_SPATIAL; a++)
        terms *= (double)meeting_taps(&j.w, a);
    j.f = REF_SUM * sqrt(terms) * c->ua;
    choose_parts(&j, j.c_out);
    ws_status st =
        ref_factor_init(&j.b, x->v, x->e, x->shape.count, c->out->e != NULL, j.f, false, c->err);
    if (!st)
        st = run_conv(&j, 1e5 + (double)j.w.n_windows * (double)j.w.taps, transposed_task);
    ref_factor_release(&j.b);
    return st;
}

/* ---- rows ---- */

static double flops_conv(const ref_attrs *at, const ref_shape *const *in, int n_in,
                         const ref_shape *out)
{
    double taps = 1;
    (void)at;
    for (int d = 1; d < in[1]->rank; d++)
        taps *= (double)in[1]->dim[d];
    return (double)out->count * (2 * taps + (n_in > 2));
}

/* Every element of x meets every tap of every output channel of its group; padding crops. */
static double flops_conv_transpose(const ref_attrs *at, const ref_shape *const *in, int n_in,
                                   const ref_shape *out)
{
    double taps = 1;
    (void)at;
    for (int d = 1; d < in[1]->rank; d++)
        taps *= (double)in[1]->dim[d];
    return (double)in[0]->count * 2 * taps + (n_in > 2 ? (double)out->count : 0);
}

const ref_op ref_ops_conv[] = {{.name = "conv",
                                .min_in = 2,
                                .max_in = 3,
                                .attrs = "stride padding dilation groups",
                                .infer = infer_conv,
                                .eval = eval_conv,
                                .flops = flops_conv,
                                .fills = true},
                               {.name = "conv_transpose",
                                .min_in = 2,
                                .max_in = 3,
                                .attrs = "stride padding output_padding dilation groups",
                                .infer = infer_conv_transpose,
                                .eval = eval_conv_transpose,
                                .flops = flops_conv_transpose},
                               {0}};
