/* Reductions over axes, argmax and argmin, cumulative sums and products. */
#include "reference/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool reduced(const ref_attrs *at, int axis)
{
    for (int i = 0; i < at->n_dims; i++)
        if (at->dims[i] == axis)
            return true;
    return false;
}

static ws_status infer_reduce(ref_infer *f)
{
    const ref_value *x = f->in[0];
    ref_attrs *at = f->at;
    if (!at->n_dims) /* all axes, as PyTorch does without dim */
        for (int d = 0; d < x->rank; d++)
            at->dims[at->n_dims++] = d;
    if (ref_is_index_fn(at->fn)) {
        if (at->n_dims != 1)
            return ref_infer_fail(f, "an index reduction takes one axis");
        at->dim = at->dims[0];
        f->out->dtype = WS_I64;
    }
    const ws_expr *n = ws_expr_const(&f->graph->arena, 1);
    for (int d = 0; d < x->rank; d++) {
        if (!reduced(at, d))
            f->out->dim[f->out->rank++] = x->dim[d];
        else if (at->keepdim)
            f->out->dim[f->out->rank++] = ws_expr_const(&f->graph->arena, 1);
        if (reduced(at, d))
            n = ws_expr_binary(&f->graph->arena, WS_X_MUL, n, x->dim[d]);
    }
    if (at->fn != REF_SUM_OF && at->fn != REF_PROD && at->fn != REF_L2NORM)
        ref_need_that(
            f, ws_expr_binary(&f->graph->arena, WS_X_GT, n, ws_expr_const(&f->graph->arena, 0)),
            "the reduced axes are not empty");
    return WS_OK;
}

/* Offsets of the n reduced elements of one output, relative to its first: inner loops over axes. */
typedef struct reduce_job {
    const ref_call *c;
    int64_t n, *offset; /* n offsets into the operand */
    int64_t stride[SPEC_MAX_RANK];
} reduce_job;

static void fill_offsets(reduce_job *j)
{
    const ref_shape *x = &j->c->in[0]->shape;
    const ref_attrs *at = j->c->at;
    int64_t step = 1;
    for (int d = x->rank - 1; d >= 0; d--) {
        j->stride[d] = step;
        step *= x->dim[d];
    }
    for (int64_t k = 0; k < j->n; k++) {
        int64_t rest = k, off = 0;
        for (int d = x->rank - 1; d >= 0; d--)
            if (reduced(at, d)) {
                off += rest % x->dim[d] * j->stride[d];
                rest /= x->dim[d];
            }
        j->offset[k] = off;
    }
}

static int64_t first_of(const reduce_job *j, int64_t i)
{
    const ref_shape *x = &j->c->in[0]->shape;
    int64_t at = 0;
    for (int d = x->rank - 1; d >= 0; d--)
        if (!reduced(j->c->at, d)) {
            at += i % x->dim[d] * j->stride[d];
            i /= x->dim[d];
        }
    return at;
}

/* v = sum x, e = sum e_i + REF_SUM sqrt(n) ua sum |x_i| */
static double sum_of(const reduce_job *j, int64_t at, double *e)
{
    const ref_tensor *x = j->c->in[0];
    double v = 0, size = 0;
    *e = 0;
    for (int64_t k = 0; k < j->n; k++) {
        double t = x->v[at + j->offset[k]];
        v += t;
        size += fabs(t);
        *e += ref_err(x, at + j->offset[k]);
    }
    *e += REF_SUM * sqrt((double)j->n) * j->c->ua * size;
    return v;
}

/* sign = 1: maximum, -1: minimum. The bound is the largest error among elements that may win. */
static double extremum(const reduce_job *j, int64_t at, double sign, int64_t *index, double *e)
{
    const ref_tensor *x = j->c->in[0];
    double best = -(double)INFINITY;
    *index = 0;
    *e = 0;
    for (int64_t k = 0; k < j->n; k++) {
        double t = sign * x->v[at + j->offset[k]];
        if (t > best || (isnan(t) && !isnan(best)))
            best = t, *index = k;
    }
    double slack = ref_err(x, at + j->offset[*index]);
    for (int64_t k = 0; k < j->n; k++) {
        double ek = ref_err(x, at + j->offset[k]);
        if (sign * x->v[at + j->offset[k]] + ek >= best - slack)
            *e = fmax(*e, ek);
    }
    return sign * best;
}

/* log sum exp(x - m) + m */
static double logsumexp(const reduce_job *j, int64_t at, double *e)
{
    const ref_tensor *x = j->c->in[0];
    int64_t index;
    double m = extremum(j, at, 1, &index, e), s = 0, es = 0;
    for (int64_t k = 0; k < j->n; k++) {
        double t = x->v[at + j->offset[k]], p = exp(t - m);
        s += p;
        if (p > 0) /* t may be -inf */
            es += p * (ref_err(x, at + j->offset[k]) + j->c->u * (fabs(t - m) + 4));
    }
    double v = m + log(s);
    *e = es / s + REF_SUM * sqrt((double)j->n) * j->c->ua +
         j->c->u * (4 + fabs(m) + fabs(v) + fabs(log(s)));
    return v;
}

static double l2norm(const reduce_job *j, int64_t at, double *e)
{
    const ref_tensor *x = j->c->in[0];
    double s = 0, es = 0;
    for (int64_t k = 0; k < j->n; k++) {
        double t = x->v[at + j->offset[k]];
        s += t * t;
        es += 2 * fabs(t) * ref_err(x, at + j->offset[k]);
    }
    double v = sqrt(s);
    *e = v > 0 ? 0.5 * es / v + (0.5 * REF_SUM * sqrt((double)j->n) * j->c->ua + 3 * j->c->u) * v
               : sqrt(es);
    return v;
}

static double product(const reduce_job *j, int64_t at, double *e)
{
    const ref_tensor *x = j->c->in[0];
    double v = 1;
    *e = 0;
    for (int64_t k = 0; k < j->n; k++) {
        double t = x->v[at + j->offset[k]];
        *e = *e * fabs(t) + fabs(v) * ref_err(x, at + j->offset[k]);
        v *= t;
    }
    *e += (double)j->n * j->c->u * fabs(v);
    return v;
}

static void reduce_one(void *ud, int64_t i)
{
    const reduce_job *j = ud;
    ref_tensor *out = j->c->out;
    int64_t at = first_of(j, i), index = 0;
    double e = 0, v = 0;
    switch (j->c->at->fn) {
    case REF_SUM_OF: v = sum_of(j, at, &e); break;
    case REF_MEAN:
        v = sum_of(j, at, &e) / (double)j->n;
        e = e / (double)j->n + 2 * j->c->u * fabs(v);
        break;
    case REF_MAX: v = extremum(j, at, 1, &index, &e); break;
    case REF_MIN: v = extremum(j, at, -1, &index, &e); break;
    case REF_PROD: v = product(j, at, &e); break;
    case REF_ARGMAX:
    case REF_ARGMIN:
        extremum(j, at, j->c->at->fn == REF_ARGMAX ? 1 : -1, &index, &e);
        v = (double)index;
        e = 0;
        break;
    case REF_LOGSUMEXP: v = logsumexp(j, at, &e); break;
    case REF_L2NORM: v = l2norm(j, at, &e); break;
    }
    out->v[i] = v;
    if (out->e)
        out->e[i] = e;
}

static ws_status eval_reduce(const ref_call *c)
{
    reduce_job j = {.c = c, .n = 1};
    for (int i = 0; i < c->at->n_dims; i++)
        j.n *= c->in[0]->shape.dim[c->at->dims[i]];
    j.offset = ws_malloc((size_t)j.n * sizeof *j.offset);
    fill_offsets(&j);
    ref_for(c->out->shape.count, (double)j.n * 4, reduce_one, &j);
    free(j.offset);
    return WS_OK;
}

static double flops_of_input(const ref_attrs *at, const ref_shape *const *in, int n_in,
                             const ref_shape *out)
{
    (void)at, (void)n_in, (void)out;
    return (double)in[0]->count;
}

/* ---- scans ---- */

static ws_status infer_scan(ref_infer *f)
{
    if (!f->in[0]->rank)
        return ref_infer_fail(f, "a scan needs an axis");
    ref_same_shape(f->out, f->in[0]);
    return WS_OK;
}

typedef struct scan_job {
    const ref_call *c;
    int64_t n, inner;
    bool product;
} scan_job;

static void scan_one(void *ud, int64_t line)
{
    const scan_job *j = ud;
    const ref_tensor *x = j->c->in[0];
    ref_tensor *out = j->c->out;
    int64_t at = line / j->inner * j->n * j->inner + line % j->inner;
    double v = j->product ? 1 : 0, e = 0, size = 0;
    for (int64_t k = 0; k < j->n; k++, at += j->inner) {
        double t = x->v[at];
        if (j->product) {
            e = e * fabs(t) + fabs(v) * ref_err(x, at);
            v *= t;
        } else {
            v += t;
            e += ref_err(x, at);
            size += fabs(t);
        }
        out->v[at] = v;
        if (out->e)
            out->e[at] = j->product ? e + (double)(k + 1) * j->c->u * fabs(v)
                                    : e + REF_SUM * sqrt((double)(k + 1)) * j->c->ua * size;
    }
}

static ws_status run_scan(const ref_call *c, bool is_product)
{
    scan_job j = {.c = c, .product = is_product};
    int64_t outer;
    ref_split(&c->in[0]->shape, c->at->dim, &outer, &j.n, &j.inner);
    ref_for(outer * j.inner, (double)j.n * 4, scan_one, &j);
    return WS_OK;
}

static ws_status eval_cumsum(const ref_call *c)
{
    return run_scan(c, false);
}

static ws_status eval_cumprod(const ref_call *c)
{
    return run_scan(c, true);
}

const ref_op ref_ops_reduce[] = {
    {.name = "reduce", .min_in = 1, .max_in = 1, .attrs = "fn dims keepdim", .infer = infer_reduce,
     .eval = eval_reduce, .flops = flops_of_input},
    {.name = "cumsum", .min_in = 1, .max_in = 1, .attrs = "dim", .infer = infer_scan,
     .eval = eval_cumsum, .flops = flops_of_input},
    {.name = "cumprod", .min_in = 1, .max_in = 1, .attrs = "dim", .infer = infer_scan,
     .eval = eval_cumprod, .flops = flops_of_input},
    {0}};
