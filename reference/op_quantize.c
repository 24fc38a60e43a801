/* Scaled low-precision numbers.
 *
 *     quantize    q = x / s, rounded to the node's dtype: to nearest, ties to even, saturating
 *     dequantize  x = q s
 *
 * "block" gives the elements along each axis that share a scale, -1 the whole axis: s has
 * ceil_div(extent, block) elements along each axis. [-1, -1] is one scale, [1, -1] one a row,
 * [128, 128] one a tile. Without "block" there is one scale, of any rank.
 *
 * Whole numbers are rounded here: their bound is 1 where the quotient may lie on either side of a
 * half, 0 elsewhere. Floats are rounded where results are stored. */
#include "reference/ops.h"

#include <math.h>
#include <string.h>

static ws_status infer_scaled(ref_infer *f)
{
    const ref_value *x = f->in[0], *s = f->in[1];
    ws_arena *a = &f->graph->arena;
    ref_attrs *at = f->at;
    ref_same_shape(f->out, x);
    if (at->n_block && (at->n_block != x->rank || s->rank != x->rank))
        return ref_infer_fail(f, "'block' has %d numbers for an operand of rank %d, scales of %d",
                              at->n_block, x->rank, s->rank);
    for (int d = 0; d < s->rank; d++) {
        const ws_expr *want = ws_expr_const(a, 1);
        if (at->n_block && at->block[d] > 0)
            want = ws_expr_binary(a, WS_X_CEIL_DIV, x->dim[d], ws_expr_const(a, at->block[d]));
        ref_need_equal(f, s->dim[d], want, "a scale for each block");
    }
    return WS_OK;
}

static ws_status infer_quantize(ref_infer *f)
{
    if (f->spec->dtype == WS_DTYPE_COUNT)
        return ref_infer_fail(f, "missing 'dtype', the format to round to");
    return infer_scaled(f);
}

/* The scale of element i. */
static int64_t scale_index(const ref_call *c, int64_t i)
{
    const ref_shape *x = &c->in[0]->shape, *s = &c->in[1]->shape;
    int64_t at = 0, step = 1;
    if (!c->at->n_block)
        return 0;
    for (int d = x->rank - 1; d >= 0; d--) {
        int64_t k = i % x->dim[d];
        at += c->at->block[d] > 0 ? k / c->at->block[d] * step : 0;
        i /= x->dim[d];
        step *= s->dim[d];
    }
    return at;
}

static void dequantize_one(void *ud, int64_t i)
{
    const ref_call *c = ud;
    int64_t at = scale_index(c, i);
    double q = c->in[0]->v[i], s = c->in[1]->v[at], v = q * s;
    c->out->v[i] = v;
    if (c->out->e)
        c->out->e[i] =
            fabs(s) * ref_err(c->in[0], i) + fabs(q) * ref_err(c->in[1], at) + c->u * fabs(v);
}

static ws_status eval_dequantize(const ref_call *c)
{
    ref_for(c->out->shape.count, 30, dequantize_one, (void *)(uintptr_t)c);
    return WS_OK;
}

static void quantize_one(void *ud, int64_t i)
{
    const ref_call *c = ud;
    int64_t at = scale_index(c, i);
    double s = c->in[1]->v[at], v = c->in[0]->v[i] / s;
    ws_dtype to = c->bound->graph->value[c->node->out].dtype;
    double e =
        (ref_err(c->in[0], i) + fabs(v) * ref_err(c->in[1], at)) / fabs(s) + 2 * c->u * fabs(v);
    if (!ws_dtype_is_float(to)) {
        double slack = REF_SAFETY * e, low = ws_dtype_round(to, v - slack);
        e = low == ws_dtype_round(to, v + slack) ? 0 : 1;
        v = ws_dtype_round(to, v);
    }
    c->out->v[i] = v;
    if (c->out->e)
        c->out->e[i] = e;
}

static ws_status eval_quantize(const ref_call *c)
{
    ref_for(c->out->shape.count, 40, quantize_one, (void *)(uintptr_t)c);
    return WS_OK;
}

static double flops_scaled(const ref_attrs *at, const ref_shape *const *in, int n_in,
                           const ref_shape *out)
{
    (void)at, (void)in, (void)n_in;
    return (double)out->count;
}

const ref_op ref_ops_quantize[] = {{.name = "quantize",
                                    .min_in = 2,
                                    .max_in = 2,
                                    .attrs = "block",
                                    .infer = infer_quantize,
                                    .eval = eval_quantize,
                                    .flops = flops_scaled,
                                    .rounds = true},
                                   {.name = "dequantize",
                                    .min_in = 2,
                                    .max_in = 2,
                                    .attrs = "block",
                                    .infer = infer_scaled,
                                    .eval = eval_dequantize,
                                    .flops = flops_scaled},
                                   {0}};
