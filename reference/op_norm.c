/* Ops along lines: softmax, log-softmax, normalisations, cross-entropy. */
#include "reference/lines.h"
#include "reference/order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static ws_status infer_row(ref_infer *f)
{
    if (!f->in[0]->rank)
        return ref_infer_fail(f, "the operand needs an axis");
    ref_same_shape(f->out, f->in[0]);
    return WS_OK;
}

/* Statistics of exp(x - m): m, s = sum exp(x - m), and the relative error of s. */
typedef struct row_sum {
    double m, s, rel;
} row_sum;

/* exp(x - m) has the relative error e(x) + e(m) + u|x - m| + u|m| + 4u: an error of the argument
 * becomes one of the value, scaling x by log2(e) first for exp2 rounds it, and CUDA's expf adds at
 * most 2 ulp. */
static double exp_error(const ref_call *c, const ref_line *l, int64_t k, double m)
{
    double d = l->x[k] - m;
    return isinf(d) ? 0 : (l->e ? l->e[k] : 0) + c->u * (fabs(d) + fabs(m) + 4);
}

/* y, when given, receives exp(x - m). */
static row_sum sum_row(const ref_call *c, const ref_line *l, double *y)
{
    row_sum r = {-(double)INFINITY, 0, 0};
    double e = 0;
    for (int64_t k = 0; k < l->n; k++)
        r.m = fmax(r.m, l->x[k]);
    for (int64_t k = 0; k < l->n; k++) {
        double p = exp(l->x[k] - r.m);
        r.s += p;
        if (y)
            y[k] = p;
        if (c->out->e && p > 0)
            e += p * exp_error(c, l, k, r.m);
    }
    if (ref_order_now)
        r.s = ref_ordered_sum(l->x, l->n, ref_term_exp, r.m);
    if (c->out->e)
        r.rel = e / r.s + ref_sum_factor(l->x, l->n, ref_term_exp, r.m, c->ua, r.s) * c->ua;
    return r;
}

static void softmax_line(void *ud, const ref_line *l)
{
    const ref_call *c = ud;
    row_sum r = sum_row(c, l, l->y);
    for (int64_t k = 0; k < l->n; k++) {
        l->y[k] /= r.s;
        if (l->ey)
            l->ey[k] = l->y[k] * (exp_error(c, l, k, r.m) + r.rel + 3 * c->u);
    }
}

/* The logarithm may be x - (m + log s): hence u|m|. */
static void log_softmax_line(void *ud, const ref_line *l)
{
    const ref_call *c = ud;
    row_sum r = sum_row(c, l, NULL);
    double log_s = log(r.s), size = 4 + 2 * log_s + fabs(r.m);
    for (int64_t k = 0; k < l->n; k++) {
        double d = l->x[k] - r.m, v = d - log_s;
        l->y[k] = v;
        if (l->ey)
            l->ey[k] =
                isinf(d) ? 0 : (l->e ? l->e[k] : 0) + r.rel + c->u * (fabs(d) + 2 * fabs(v) + size);
    }
}

static ws_status eval_softmax(const ref_call *c)
{
    bool logarithm = strcmp(c->op->name, "log_softmax") == 0;
    return ref_each_line(c, 1u << c->at->dim, true, 40, logarithm ? log_softmax_line : softmax_line,
                         (void *)(uintptr_t)c);
}

/* ---- layer_norm, rms_norm, batch_norm, group_norm:
 *      y = (x - mean) / sqrt(var + eps) * gamma + beta ----
 *
 * layer, rms  a line is the trailing axes; gamma and beta have their shape
 * batch       x[N, C, ...]: a line is a channel of the whole batch; gamma[C], beta[C]
 * group       x[N, C, ...]: a line is C / groups channels of one item; gamma[C], beta[C] */

static ws_status infer_norm(ref_infer *f)
{
    const ref_value *x = f->in[0];
    int first = x->rank - f->at->normalized_dims;
    if (first < 0)
        return ref_infer_fail(f, "%d normalised axes of a tensor of rank %d",
                              f->at->normalized_dims, x->rank);
    for (int i = 1; i < f->n_in; i++) {
        if (f->in[i]->rank != f->at->normalized_dims)
            return ref_infer_fail(f, "operand %d must have the %d normalised axes", i,
                                  f->at->normalized_dims);
        for (int d = 0; d < f->in[i]->rank; d++)
            ref_need_equal(f, f->in[i]->dim[d], x->dim[first + d],
                           "scale and shift have the normalised shape");
    }
    ref_same_shape(f->out, x);
    return WS_OK;
}

static ws_status infer_channels(ref_infer *f)
{
    const ref_value *x = f->in[0];
    if (x->rank < 2)
        return ref_infer_fail(f, "the operand has rank %d; expected [N, C, ...]", x->rank);
    for (int i = 1; i < f->n_in; i++) {
        if (f->in[i]->rank != 1)
            return ref_infer_fail(f, "operand %d has rank %d; expected one number a channel", i,
                                  f->in[i]->rank);
        ref_need_equal(f, f->in[i]->dim[0], x->dim[1], "one scale and shift a channel");
    }
    ref_same_shape(f->out, x);
    return WS_OK;
}

static ws_status infer_batch_norm(ref_infer *f)
{
    if (!f->at->training)
        return ref_infer_fail(f, "only batch statistics are supported: without training, write the "
                                 "running statistics as sub, mul and add");
    return infer_channels(f);
}

static ws_status infer_group_norm(ref_infer *f)
{
    ws_arena *m = &f->graph->arena;
    if (!f->at->groups)
        return ref_infer_fail(f, "missing 'num_groups'");
    ref_need_that(f, ws_expr_binary(m, WS_X_GE, f->at->groups, ws_expr_const(m, 1)),
                  "'num_groups' is at least 1");
    if (infer_channels(f))
        return f->err->status;
    ref_need_equal(f, ws_expr_binary(m, WS_X_MOD, f->in[0]->dim[1], f->at->groups),
                   ws_expr_const(m, 0), "channels divide into groups");
    return WS_OK;
}

typedef struct moments {
    double mean, var, e_mean, e_var;
} moments;

/* Mean and variance about it (rms: about zero), with bounds. A kernel may take two passes,
 * Welford's one, or subtract E[x]^2 from E[x^2]: the bound is that of the last, an error of the
 * size of E[x^2] however small the variance is. */
static moments measure(const ref_call *c, const ref_line *l, bool centred)
{
    double n = (double)l->n, e = 0;
    double sum_factor = REF_SUM * sqrt(n) * c->ua;
    moments r = {.mean = centred ? ref_partial(ref_sum(l->x, l->n) / n) : 0};
    r.var = ref_partial(ref_sum_squares(l->x, l->n, r.mean) / n);
    if (!l->ey)
        return r;
    double raw = r.var + r.mean * r.mean; /* E[x^2] */
    if (centred)
        r.e_mean = ref_sum_errors(l->e, l->n) / n + sum_factor * ref_sum_abs(l->x, l->n) / n +
                   c->u * fabs(r.mean);
    for (int64_t k = 0; k < l->n; k++) {
        double d = fabs(l->x[k] - r.mean);
        e += 2 * d * ((l->e ? l->e[k] : 0) + c->u * d) / n;
    }
    r.e_var = e + sum_factor * raw + 2 * c->u * raw + r.e_mean * r.e_mean;
    return r;
}

/* Element k of line i is scaled by gamma[i % lines * step + k / per]. */
typedef struct norm_job {
    const ref_call *c;
    const ref_tensor *gamma, *beta;
    bool centred;
    int64_t lines, step, per;
} norm_job;

static void norm_line(void *ud, const ref_line *l)
{
    const norm_job *j = ud;
    const ref_call *c = j->c;
    moments m = measure(c, l, j->centred);
    double r = ref_partial(1 / sqrt(m.var + c->at->eps));
    double rel = 0.5 * m.e_var / (m.var + c->at->eps) + 4 * c->u; /* of r */
    for (int64_t k = 0; k < l->n; k++) {
        int64_t s = l->index % j->lines * j->step + k / j->per;
        double d = ref_partial(l->x[k] - m.mean), z = ref_partial(d * r);
        double g = j->gamma ? j->gamma->v[s] : 1, b = j->beta ? j->beta->v[s] : 0;
        double v = z * g + b;
        l->y[k] = v;
        if (!l->ey)
            continue;
        double ez = r * ((l->e ? l->e[k] : 0) + m.e_mean + c->u * fabs(d)) + fabs(z) * rel;
        l->ey[k] = fabs(g) * ez + (j->gamma ? fabs(z) * ref_err(j->gamma, s) : 0) +
                   (j->beta ? ref_err(j->beta, s) : 0) + c->u * (2 * fabs(z * g) + fabs(v));
    }
}

static norm_job norm_of(const ref_call *c)
{
    return (norm_job){.c = c,
                      .gamma = c->n_in > 1 ? c->in[1] : NULL,
                      .beta = c->n_in > 2 ? c->in[2] : NULL,
                      .centred = true,
                      .lines = 1,
                      .per = 1};
}

static ws_status eval_layer_norm(const ref_call *c)
{
    norm_job j = norm_of(c);
    int rank = c->in[0]->shape.rank;
    j.centred = strcmp(c->op->name, "layer_norm") == 0;
    return ref_each_line(c, ref_axes(rank - c->at->normalized_dims, rank), true, 10, norm_line, &j);
}

static ws_status eval_batch_norm(const ref_call *c)
{
    norm_job j = norm_of(c);
    const ref_shape *x = &c->in[0]->shape;
    j.lines = x->dim[1];
    j.step = 1;
    j.per = x->count; /* more than a line has */
    return ref_each_line(c, ref_axes(0, x->rank) & ~2u, true, 10, norm_line, &j);
}

/* The same memory as one line a group. */
static ws_status eval_group_norm(const ref_call *c)
{
    norm_job j = norm_of(c);
    const ref_shape *x = &c->in[0]->shape;
    ref_call as_groups = *c;
    ref_tensor in = *c->in[0], out = *c->out;
    if (ws_expr_eval(c->at->groups, c->env, &j.lines, c->err))
        return c->err->status;
    j.step = x->dim[1] / j.lines;
    j.per = 1;
    for (int d = 2; d < x->rank; d++)
        j.per *= x->dim[d];
    in.shape = (ref_shape){.rank = 2, .count = x->count};
    in.shape.dim[0] = x->dim[0] * j.lines;
    in.shape.dim[1] = j.step * j.per;
    out.shape = in.shape;
    as_groups.in[0] = &in;
    as_groups.out = &out;
    return ref_each_line(&as_groups, 2, true, 10, norm_line, &j);
}

/* ---- cross_entropy(x[N,C], t[N]) = mean_i(log sum_c exp(x[i,c]) - x[i,t[i]]) ---- */

static ws_status infer_cross_entropy(ref_infer *f)
{
    if (f->in[0]->rank != 2 || f->in[1]->rank != 1)
        return ref_infer_fail(f, "takes logits [N,C] and targets [N]");
    ref_need_equal(f, f->in[0]->dim[0], f->in[1]->dim[0], "one target a row");
    f->out->rank = 0;
    return WS_OK;
}

typedef struct loss_job {
    const ref_call *c;
    double *v, *e; /* one a row */
} loss_job;

static void cross_entropy_row(void *ud, const ref_line *l)
{
    const loss_job *j = ud;
    const ref_call *c = j->c;
    double t = c->in[1]->v[l->index];
    row_sum r = sum_row(c, l, NULL);
    if (!(t >= 0 && t < (double)l->n)) {
        j->v[l->index] = (double)NAN;
        return;
    }
    int64_t k = (int64_t)t;
    double d = r.m - l->x[k];
    j->v[l->index] = d + log(r.s);
    j->e[l->index] = (l->e ? l->e[k] : 0) + r.rel + c->u * (fabs(d) + 4 + 2 * log(r.s) + fabs(r.m));
}

static ws_status eval_cross_entropy(const ref_call *c)
{
    int64_t rows = c->in[0]->shape.dim[0];
    loss_job j = {.c = c};
    j.v = ws_calloc((size_t)rows, sizeof *j.v);
    j.e = ws_calloc((size_t)rows, sizeof *j.e);
    ws_status st = ref_each_line(c, 2, false, 40, cross_entropy_row, &j);
    double n = (double)rows, v = ref_sum(j.v, rows);
    c->out->v[0] = v / n;
    if (c->out->e)
        c->out->e[0] =
            (ref_sum(j.e, rows) + REF_SUM * sqrt(n) * c->ua * ref_sum_abs(j.v, rows)) / n +
            2 * c->u * fabs(v / n);
    free(j.v);
    free(j.e);
    if (st || !isnan(v))
        return st;
    return ws_fail(c->err, WS_EINPUT, "cross_entropy: a target is not in [0, %lld)",
                   (long long)c->in[0]->shape.dim[1]);
}

static double flops_row(const ref_attrs *at, const ref_shape *const *in, int n_in,
                        const ref_shape *out)
{
    (void)at, (void)n_in, (void)out;
    return 5 * (double)in[0]->count; /* max, subtract, exp, sum, divide; or their like */
}

#define ROW(op, least, most, attributes, shape, run)                                               \
    {                                                                                              \
        .name = #op, .min_in = least, .max_in = most, .attrs = attributes, .infer = infer_##shape, \
        .eval = eval_##run, .flops = flops_row, .fills = true                                      \
    }
const ref_op ref_ops_norm[] = {
    ROW(softmax, 1, 1, "dim", row, softmax),
    ROW(log_softmax, 1, 1, "dim", row, softmax),
    ROW(layer_norm, 1, 3, "normalized_dims eps", norm, layer_norm),
    ROW(rms_norm, 1, 2, "normalized_dims eps", norm, layer_norm),
    ROW(batch_norm, 1, 3, "eps training", batch_norm, batch_norm),
    ROW(group_norm, 1, 3, "num_groups eps", group_norm, group_norm),
    ROW(cross_entropy, 2, 2, "", cross_entropy, cross_entropy),
    {0}};
