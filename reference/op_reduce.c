/* Reductions over axes, argmax and argmin, cumulative sums and products. */
#include "reference/lines.h"
#include "reference/order.h"

#include <math.h>

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

/* v = sum x, e = sum e_i + ref_sum_factor ua sum |x_i| */
static double sum_of(const ref_call *c, const ref_line *l, double *e)
{
    *e = 0;
    if (c->out->e) {
        double size = ref_sum_abs(l->x, l->n);
        *e = ref_sum_errors(l->e, l->n) +
             ref_sum_factor(l->x, l->n, NULL, 0, c->ua, size) * c->ua * size;
    }
    return ref_sum(l->x, l->n);
}

/* sign = 1: maximum, -1: minimum; NaN wins. The bound is the largest error among elements that may
 * win. */
static double extremum(const ref_line *l, double sign, int64_t *index, double *e)
{
    double best = -(double)INFINITY;
    *index = 0;
    *e = 0;
    for (int64_t k = 0; k < l->n; k++) {
        double t = sign * l->x[k];
        if (t > best || (isnan(t) && !isnan(best)))
            best = t, *index = k;
    }
    double least = l->e ? best - l->e[*index] : best;
    for (int64_t k = 0; l->e && k < l->n; k++)
        if (sign * l->x[k] + l->e[k] >= least)
            *e = fmax(*e, l->e[k]);
    return sign * best;
}

/* m + log sum exp(x - m); an error of x is one of the logarithm, weighed with its share. */
static double logsumexp(const ref_call *c, const ref_line *l, double *e)
{
    int64_t index;
    double m = extremum(l, 1, &index, e), s = 0, es = 0;
    if (isinf(m))
        return m;
    for (int64_t k = 0; k < l->n; k++) {
        double t = l->x[k], p = exp(t - m);
        s += p;
        if (p > 0) /* t may be -inf */
            es += p * ((l->e ? l->e[k] : 0) + c->u * (fabs(t - m) + 4));
    }
    if (ref_order_now)
        s = ref_ordered_sum(l->x, l->n, ref_term_exp, m);
    double v = m + log(s);
    if (!c->out->e)
        return v;
    *e = es / s + ref_sum_factor(l->x, l->n, ref_term_exp, m, c->ua, s) * c->ua +
         c->u * (4 + fabs(m) + fabs(v) + fabs(log(s)));
    return v;
}

static double l2norm(const ref_call *c, const ref_line *l, double *e)
{
    double es = 0;
    for (int64_t k = 0; l->e && k < l->n; k++)
        es += (2 * fabs(l->x[k]) + l->e[k]) * l->e[k];
    double v = sqrt(ref_sum_squares(l->x, l->n, 0));
    *e = v > 0 ? fmin(0.5 * es / v, sqrt(es)) +
                     (0.5 * REF_SUM * sqrt((double)l->n) * c->ua + 3 * c->u) * v
               : sqrt(es);
    return v;
}

static double product(const ref_call *c, const ref_line *l, double *e)
{
    double v = 1;
    *e = 0;
    for (int64_t k = 0; k < l->n; k++) {
        double t = l->x[k];
        *e = *e * fabs(t) + (l->e ? fabs(v) * l->e[k] : 0);
        v = ref_partial(v * t);
    }
    *e += (double)l->n * c->u * fabs(v);
    return v;
}

static void reduce_line(void *ud, const ref_line *l)
{
    const ref_call *c = ud;
    ref_reduce_fn fn = c->at->fn;
    int64_t index = 0;
    double e = 0, v = 0;
    switch (fn) {
    case REF_SUM_OF:
        v = sum_of(c, l, &e);
        break;
    case REF_MEAN:
        v = sum_of(c, l, &e) / (double)l->n;
        e = e / (double)l->n + 2 * c->u * fabs(v);
        break;
    case REF_MAX:
        v = extremum(l, 1, &index, &e);
        break;
    case REF_MIN:
        v = extremum(l, -1, &index, &e);
        break;
    case REF_PROD:
        v = product(c, l, &e);
        break;
    case REF_ARGMAX:
    case REF_ARGMIN:
        extremum(l, fn == REF_ARGMAX ? 1 : -1, &index, &e);
        v = (double)index;
        e = 0;
        break;
    case REF_LOGSUMEXP:
        v = logsumexp(c, l, &e);
        break;
    case REF_L2NORM:
        v = l2norm(c, l, &e);
        break;
    }
    c->out->v[l->index] = v;
    if (c->out->e)
        c->out->e[l->index] = e;
}

/* ---- sums and extrema of many lines at once, values alone ---- */

static void add_across(void *ud, int64_t index, int64_t n, const double *x, bool first)
{
    const ref_call *c = ud;
    double *v = c->out->v + index;
    for (int64_t k = 0; k < n; k++)
        v[k] = first ? x[k] : v[k] + x[k];
}

static void max_across(void *ud, int64_t index, int64_t n, const double *x, bool first)
{
    const ref_call *c = ud;
    double *v = c->out->v + index;
    for (int64_t k = 0; k < n; k++)
        v[k] = first || x[k] > v[k] || isnan(x[k]) ? x[k] : v[k];
}

static void min_across(void *ud, int64_t index, int64_t n, const double *x, bool first)
{
    const ref_call *c = ud;
    double *v = c->out->v + index;
    for (int64_t k = 0; k < n; k++)
        v[k] = first || x[k] < v[k] || isnan(x[k]) ? x[k] : v[k];
}

static bool reduced_across(const ref_call *c, unsigned axes)
{
    void (*body)(void *, int64_t, int64_t, const double *, bool) = NULL;
    ref_reduce_fn fn = c->at->fn;
    if (fn == REF_SUM_OF || fn == REF_MEAN)
        body = add_across;
    else if (fn == REF_MAX || fn == REF_MIN)
        body = fn == REF_MAX ? max_across : min_across;
    if (!body || c->out->e || !ref_across_lines(c, axes, body, (void *)(uintptr_t)c))
        return false;
    double n = (double)c->in[0]->shape.count / (double)c->out->shape.count;
    for (int64_t i = 0; fn == REF_MEAN && i < c->out->shape.count; i++)
        c->out->v[i] /= n;
    return true;
}

static ws_status eval_reduce(const ref_call *c)
{
    unsigned axes = 0;
    for (int i = 0; i < c->at->n_dims; i++)
        axes |= 1u << c->at->dims[i];
    if (reduced_across(c, axes))
        return WS_OK;
    return ref_each_line(c, axes, false, 4, reduce_line, (void *)(uintptr_t)c);
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

static void cumsum_line(void *ud, const ref_line *l)
{
    const ref_call *c = ud;
    double v = 0, e = 0, size = 0;
    if (ref_order_now) {
        ref_ordered_scan(l->x, l->n, false, l->y);
        return;
    }
    for (int64_t k = 0; k < l->n; k++) {
        l->y[k] = v += l->x[k];
        size += fabs(l->x[k]);
        e += l->e ? l->e[k] : 0;
        if (l->ey)
            l->ey[k] = e + REF_SUM * sqrt((double)(k + 1)) * c->ua * size;
    }
}

static void cumprod_line(void *ud, const ref_line *l)
{
    const ref_call *c = ud;
    double v = 1, e = 0;
    if (ref_order_now) {
        ref_ordered_scan(l->x, l->n, true, l->y);
        return;
    }
    for (int64_t k = 0; k < l->n; k++) {
        e = e * fabs(l->x[k]) + (l->e ? fabs(v) * l->e[k] : 0);
        l->y[k] = v *= l->x[k];
        if (l->ey)
            l->ey[k] = e + (double)(k + 1) * c->u * fabs(v);
    }
}

static ws_status eval_cumsum(const ref_call *c)
{
    return ref_each_line(c, 1u << c->at->dim, true, 4, cumsum_line, (void *)(uintptr_t)c);
}

static ws_status eval_cumprod(const ref_call *c)
{
    return ref_each_line(c, 1u << c->at->dim, true, 4, cumprod_line, (void *)(uintptr_t)c);
}

const ref_op ref_ops_reduce[] = {{.name = "reduce",
                                  .min_in = 1,
                                  .max_in = 1,
                                  .attrs = "fn dims keepdim",
                                  .infer = infer_reduce,
                                  .eval = eval_reduce,
                                  .flops = flops_of_input,
                                  .fills = true},
                                 {.name = "cumsum",
                                  .min_in = 1,
                                  .max_in = 1,
                                  .attrs = "dim",
                                  .infer = infer_scan,
                                  .eval = eval_cumsum,
                                  .flops = flops_of_input,
                                  .fills = true},
                                 {.name = "cumprod",
                                  .min_in = 1,
                                  .max_in = 1,
                                  .attrs = "dim",
                                  .infer = infer_scan,
                                  .eval = eval_cumprod,
                                  .flops = flops_of_input,
                                  .fills = true},
                                 {0}};
