/* Ops along rows: softmax, log-softmax, layer and RMS normalisation, cross-entropy. */
#include "reference/ops.h"

#include <math.h>
#include <stdlib.h>

typedef struct row_job {
    const ref_call *c;
    int64_t n, inner;
    bool logarithm; /* log_softmax */
    double *row_v, *row_e; /* cross-entropy: one a row */
} row_job;

static ws_status infer_row(ref_infer *f)
{
    if (!f->in[0]->rank)
        return ref_infer_fail(f, "the operand needs an axis");
    ref_same_shape(f->out, f->in[0]);
    return WS_OK;
}

/* Row statistics of exp(x - m): m, s = sum exp(x - m), and the relative error of s. */
typedef struct row_sum {
    double m, s, rel;
} row_sum;

/* exp(x - m) has the relative error e(x) + e(m) + u|x - m| + u|m| + 4u: an error of the argument
 * becomes one of the value, scaling x by log2(e) first for exp2 rounds it, and CUDA's expf adds at
 * most 2 ulp. */
static double exp_error(const ref_call *c, const ref_tensor *x, int64_t at, double m)
{
    double d = x->v[at] - m;
    return isinf(d) ? 0 : ref_err(x, at) + c->u * (fabs(d) + fabs(m) + 4);
}

static row_sum sum_row(const ref_call *c, const ref_tensor *x, int64_t at, int64_t n, int64_t step)
{
    row_sum r = {-(double)INFINITY, 0, 0};
    double e = 0;
    for (int64_t k = 0; k < n; k++)
        r.m = fmax(r.m, x->v[at + k * step]);
    for (int64_t k = 0; k < n; k++) {
        double p = exp(x->v[at + k * step] - r.m);
        r.s += p;
        e += p > 0 ? p * exp_error(c, x, at + k * step, r.m) : 0;
    }
    r.rel = e / r.s + REF_SUM * sqrt((double)n) * c->ua;
    return r;
}

static void softmax_row(void *ud, int64_t line)
{
    const row_job *j = ud;
    const ref_call *c = j->c;
    const ref_tensor *x = c->in[0];
    int64_t at = line / j->inner * j->n * j->inner + line % j->inner;
    row_sum r = sum_row(c, x, at, j->n, j->inner);
    /* The logarithm may be x - (m + log s): hence u|m|. */
    for (int64_t k = 0; k < j->n; k++, at += j->inner) {
        double d = x->v[at] - r.m, own = exp_error(c, x, at, r.m);
        double v = j->logarithm ? d - log(r.s) : exp(d) / r.s;
        c->out->v[at] = v;
        if (!c->out->e)
            continue;
        if (j->logarithm)
            c->out->e[at] = isinf(d)
                                ? 0
                                : ref_err(x, at) + r.rel +
                                      c->u * (fabs(d) + 2 * fabs(v) + 4 + 2 * log(r.s) + fabs(r.m));
        else
            c->out->e[at] = v * (own + r.rel + 3 * c->u);
    }
}

static ws_status run_softmax(const ref_call *c, bool logarithm)
{
    row_job j = {.c = c, .logarithm = logarithm};
    int64_t outer;
    ref_split(&c->in[0]->shape, c->at->dim, &outer, &j.n, &j.inner);
    ref_for(outer * j.inner, (double)j.n * 40, softmax_row, &j);
    return WS_OK;
}

static ws_status eval_softmax(const ref_call *c)
{
    return run_softmax(c, false);
}

static ws_status eval_log_softmax(const ref_call *c)
{
    return run_softmax(c, true);
}

/* ---- layer_norm, rms_norm: y = (x - mean) / sqrt(var + eps) * gamma + beta, trailing axes ---- */

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

typedef struct moments {
    double mean, var, e_mean, e_var;
} moments;

/* Mean and variance about it (rms: about zero), with bounds. A kernel may take two passes,
 * Welford's one, or subtract E[x]^2 from E[x^2]: the bound is that of the last, an error of the
 * size of E[x^2] however small the variance is. */
static moments measure(const ref_call *c, const ref_tensor *x, int64_t at, int64_t n, bool centred)
{
    moments r = {0};
    double size = 0, ex = 0, square = 0, e = 0, raw = 0;
    double sum_factor = REF_SUM * sqrt((double)n) * c->ua;
    for (int64_t k = 0; k < n; k++) {
        r.mean += x->v[at + k] / (double)n;
        size += fabs(x->v[at + k]) / (double)n;
        raw += x->v[at + k] * x->v[at + k] / (double)n;
        ex += ref_err(x, at + k) / (double)n;
    }
    if (!centred)
        r.mean = 0;
    r.e_mean = centred ? ex + sum_factor * size + c->u * fabs(r.mean) : 0;
    for (int64_t k = 0; k < n; k++) {
        double d = x->v[at + k] - r.mean;
        square += d * d / (double)n;
        e += 2 * fabs(d) * (ref_err(x, at + k) + c->u * fabs(d)) / (double)n;
    }
    r.var = square;
    r.e_var = e + sum_factor * raw + 2 * c->u * raw + r.e_mean * r.e_mean;
    return r;
}

static void norm_row(const row_job *j, int64_t row, bool centred)
{
    const ref_call *c = j->c;
    const ref_tensor *x = c->in[0], *gamma = c->n_in > 1 ? c->in[1] : NULL;
    const ref_tensor *beta = c->n_in > 2 ? c->in[2] : NULL;
    int64_t at = row * j->n;
    moments m = measure(c, x, at, j->n, centred);
    double r = 1 / sqrt(m.var + c->at->eps);
    double rel = 0.5 * m.e_var / (m.var + c->at->eps) + 4 * c->u; /* of r */
    for (int64_t k = 0; k < j->n; k++) {
        double d = x->v[at + k] - m.mean, z = d * r;
        double ez = r * (ref_err(x, at + k) + m.e_mean + c->u * fabs(d)) + fabs(z) * rel;
        double g = gamma ? gamma->v[k] : 1, b = beta ? beta->v[k] : 0, v = z * g + b;
        c->out->v[at + k] = v;
        if (c->out->e)
            c->out->e[at + k] = fabs(g) * ez + (gamma ? fabs(z) * ref_err(gamma, k) : 0) +
                                (beta ? ref_err(beta, k) : 0) + c->u * (2 * fabs(z * g) + fabs(v));
    }
}

static void layer_norm_row(void *ud, int64_t row)
{
    norm_row(ud, row, true);
}

static void rms_norm_row(void *ud, int64_t row)
{
    norm_row(ud, row, false);
}

static ws_status run_norm(const ref_call *c, void (*body)(void *, int64_t))
{
    row_job j = {.c = c, .n = 1};
    const ref_shape *s = &c->in[0]->shape;
    for (int d = s->rank - c->at->normalized_dims; d < s->rank; d++)
        j.n *= s->dim[d];
    ref_for(j.n ? s->count / j.n : 0, (double)j.n * 20, body, &j);
    return WS_OK;
}

static ws_status eval_layer_norm(const ref_call *c)
{
    return run_norm(c, layer_norm_row);
}

static ws_status eval_rms_norm(const ref_call *c)
{
    return run_norm(c, rms_norm_row);
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

static void cross_entropy_row(void *ud, int64_t row)
{
    const row_job *j = ud;
    const ref_call *c = j->c;
    const ref_tensor *x = c->in[0];
    double t = c->in[1]->v[row];
    row_sum r = sum_row(c, x, row * j->n, j->n, 1);
    if (!(t >= 0 && t < (double)j->n)) {
        j->row_v[row] = (double)NAN;
        return;
    }
    int64_t at = row * j->n + (int64_t)t;
    double d = r.m - x->v[at];
    j->row_v[row] = d + log(r.s);
    j->row_e[row] = ref_err(x, at) + r.rel + c->u * (fabs(d) + 4 + 2 * log(r.s) + fabs(r.m));
}

static ws_status eval_cross_entropy(const ref_call *c)
{
    int64_t rows = c->in[0]->shape.dim[0];
    row_job j = {.c = c, .n = c->in[0]->shape.dim[1], .inner = 1};
    j.row_v = ws_calloc((size_t)rows, sizeof *j.row_v);
    j.row_e = ws_calloc((size_t)rows, sizeof *j.row_e);
    ref_for(rows, (double)j.n * 40, cross_entropy_row, &j);
    double v = 0, e = 0, size = 0;
    for (int64_t i = 0; i < rows; i++) {
        v += j.row_v[i];
        size += fabs(j.row_v[i]);
        e += j.row_e[i];
    }
    double n = (double)rows;
    c->out->v[0] = v / n;
    if (c->out->e)
        c->out->e[0] = (e + REF_SUM * sqrt(n) * c->ua * size) / n + 2 * c->u * fabs(v / n);
    free(j.row_v);
    free(j.row_e);
    bool bad = isnan(v);
    return bad ? ws_fail(c->err, WS_EINPUT, "cross_entropy: a target is not in [0, %lld)",
                         (long long)j.n)
               : WS_OK;
}

static double flops_row(const ref_attrs *at, const ref_shape *const *in, int n_in,
                        const ref_shape *out)
{
    (void)at, (void)n_in, (void)out;
    return 5 * (double)in[0]->count; /* max, subtract, exp, sum, divide; or their like */
}

const ref_op ref_ops_norm[] = {
    {.name = "softmax", .min_in = 1, .max_in = 1, .attrs = "dim", .infer = infer_row,
     .eval = eval_softmax, .flops = flops_row},
    {.name = "log_softmax", .min_in = 1, .max_in = 1, .attrs = "dim", .infer = infer_row,
     .eval = eval_log_softmax, .flops = flops_row},
    {.name = "layer_norm", .min_in = 1, .max_in = 3, .attrs = "normalized_dims eps",
     .infer = infer_norm, .eval = eval_layer_norm, .flops = flops_row},
    {.name = "rms_norm", .min_in = 1, .max_in = 2, .attrs = "normalized_dims eps",
     .infer = infer_norm, .eval = eval_rms_norm, .flops = flops_row},
    {.name = "cross_entropy", .min_in = 2, .max_in = 2, .attrs = "", .infer = infer_cross_entropy,
     .eval = eval_cross_entropy, .flops = flops_row},
    {0}};
