/* Convolution and transposed convolution: shapes, and both as sliding sums (slide.h). */
#include "reference/slide.h"

#include <math.h>
#include <stdlib.h>

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

/* ---- evaluation ---- */

/* What both share. */
static ws_status start_sums(const ref_call *c, ref_sliding *s)
{
    const ref_shape *w = &c->in[1]->shape;
    ref_window x = ref_window_of(c->at, &c->in[0]->shape, &c->out->shape, w);
    *s = (ref_sliding){.c = c};
    for (int a = 0; a < REF_SPATIAL; a++) {
        s->x[a] = x.plane[a];
        s->y[a] = x.windows[a];
        s->kernel[a] = x.kernel[a];
    }
    return ws_expr_eval(c->at->groups, c->env, &s->groups, c->err);
}

static ws_status eval_conv(const ref_call *c)
{
    const ref_shape *w = &c->in[1]->shape;
    ref_window v = ref_window_of(c->at, &c->in[0]->shape, &c->out->shape, w);
    ref_sliding s;
    ref_slide slide;
    if (start_sums(c, &s))
        return c->err->status;
    for (int a = 0; a < REF_SPATIAL; a++)
        slide.axis[a] = (ref_slide_axis){.count = v.windows[a],
                                         .step = 1,
                                         .taps = v.kernel[a],
                                         .period = 1,
                                         .from = -v.padding[a],
                                         .slope = v.dilation[a],
                                         .split = v.stride[a]};
    s.slide = &slide;
    s.n_slides = 1;
    s.c_in = s.to_m = w->dim[1];
    s.c_out = w->dim[0] / s.groups;
    s.to_c = 1;
    s.f = REF_SUM * sqrt((double)(s.c_in * v.taps)) * c->ua;
    return ref_slide_sums(&s, c->err);
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

/* The taps that meet in one place along an axis are those k whose k * dilation agree modulo the
 * stride: every period-th one. */
static int64_t period_of(const ref_window *w, int axis)
{
    return w->stride[axis] / common_divisor(w->stride[axis], w->dilation[axis]);
}

/* The results of an axis from `base` < stride on, every stride-th one. Tap k reaches result o from
 * element (o + padding - k dilation) / stride of x, where that is whole. */
static ref_slide_axis residue(const ref_window *w, int axis, int64_t base)
{
    int64_t stride = w->stride[axis], dilation = w->dilation[axis], period = period_of(w, axis);
    int64_t first = 0, to = base + w->padding[axis];
    ref_slide_axis a = {.base = base, .step = stride, .period = period, .split = 1};
    a.count = (w->plane[axis] - base + stride - 1) / stride;
    while (first < w->kernel[axis] && first < period && (to - first * dilation) % stride)
        first++;
    if (first >= w->kernel[axis] || first >= period)
        return a; /* no tap: the results are the bias */
    a.first = first;
    a.taps = (w->kernel[axis] - first + period - 1) / period;
    a.from = (to - first * dilation) / stride;
    a.slope = -(period * dilation / stride);
    return a;
}

/* A transposed convolution is a convolution for every residue of a result's place modulo the
 * stride. */
static ws_status eval_conv_transpose(const ref_call *c)
{
    const ref_shape *w = &c->in[1]->shape;
    ref_window v = ref_window_of(c->at, &c->out->shape, &c->in[0]->shape, w);
    ref_sliding s;
    if (start_sums(c, &s))
        return c->err->status;
    int64_t n[REF_SPATIAL];
    for (int a = 0; a < REF_SPATIAL; a++)
        n[a] = v.stride[a] < v.plane[a] ? v.stride[a] : v.plane[a];
    s.n_slides = n[0] * n[1] * n[2];
    s.c_in = w->dim[0] / s.groups;
    s.c_out = s.to_c = w->dim[1];
    s.to_m = 1;
    double terms = (double)s.c_in;
    for (int a = 0; a < REF_SPATIAL; a++)
        terms *= (double)((v.kernel[a] + period_of(&v, a) - 1) / period_of(&v, a));
    s.f = REF_SUM * sqrt(terms) * c->ua;
    ref_slide *slide = ws_malloc((size_t)s.n_slides * sizeof *slide);
    for (int64_t i = 0; i < s.n_slides; i++) {
        slide[i].axis[0] = residue(&v, 0, i / n[2] / n[1]);
        slide[i].axis[1] = residue(&v, 1, i / n[2] % n[1]);
        slide[i].axis[2] = residue(&v, 2, i % n[2]);
    }
    s.slide = slide;
    ws_status st = ref_slide_sums(&s, c->err);
    free(slide);
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
                                .flops = flops_conv_transpose,
                                .fills = true},
                               {0}};
