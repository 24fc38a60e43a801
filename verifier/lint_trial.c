/* One trial of lint in one lab: an answer that costs nothing, other inputs, another graph. */
#include "verifier/lint_bench.h"

#include "base/philox.h"
#include "reference/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OTHER_SEED = 7919 };

/* The comparison of `got`, in double, as output o. */
static vfy_comparison compare(const lint_lab *b, int o, const ref_tensor *got)
{
    ws_dtype dtype = b->g->value[b->g->output[o]].dtype;
    size_t n = (size_t)got->shape.count;
    void *raw = ws_malloc(ws_dtype_size(dtype, n) + 1);
    vfy_comparison c;
    ws_dtype_store(dtype, raw, got->v, n);
    vfy_compare(&b->c, o, raw, &c);
    free(raw);
    return c;
}

/* The k-th smallest of v[n], which is put in another order. */
static double nth(double *v, int64_t n, int64_t k)
{
    for (int64_t low = 0, high = n - 1; low < high;) {
        double pivot = v[low + (high - low) / 2];
        int64_t i = low, j = high;
        while (i <= j) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i <= j) {
                double swap = v[i];
                v[i++] = v[j];
                v[j--] = swap;
            }
        }
        if (k <= j)
            high = j;
        else if (k >= i)
            low = i;
        else
            break;
    }
    return v[k];
}

/* As allclose(got, want, rtol = atol = 1e-2) counts: what all but one element in a hundred differ
 * by, in units of that tolerance. Estimated: of few elements that is their worst, and what many
 * would have follows from the root of the mean square, as if they were normal. */
static double distance(const lint_trial *t, const ref_tensor *want, const ref_tensor *got)
{
    enum { MANY = 1024 };
    int64_t n = want->shape.count;
    double *d = ws_malloc((size_t)n * sizeof *d + 1), square = 0;
    for (int64_t i = 0; i < n; i++) {
        d[i] = fabs(got->v[i] - want->v[i]) / (1e-2 + 1e-2 * fabs(want->v[i]));
        if (isnan(d[i]))
            d[i] = (double)INFINITY;
        square += d[i] * d[i] / (double)n;
    }
    double at = n ? nth(d, n, n - 1 - n / 100) : 0;
    free(d);
    return t->estimated && n < MANY ? 2.576 * sqrt(square) : at;
}

bool lint_all_right(const lint_lab *b, const lint_trial *t, const ref_tensor *got, double *excess)
{
    int64_t wrong = 0;
    for (int o = 0; o < b->g->n_outputs; o++) {
        if (vfy_lint_is_loose(t->kind) && !t->tight) {
            *excess = fmax(*excess, distance(t, &b->c.want[o], &got[o]));
            wrong += !(*excess <= 1);
            continue;
        }
        vfy_comparison c = compare(b, o, &got[o]);
        wrong += c.wrong;
        *excess = fmax(*excess, c.wrong ? c.excess / VFY_SAFETY : c.worst_ratio);
    }
    return !wrong;
}

/* ---- answers that cost nothing ---- */

double lint_tolerance(const lint_lab *b, const ref_tensor *want, int64_t i)
{
    const spec *s = b->g->spec;
    if (s->rtol >= 0 || s->atol >= 0)
        return fmax(s->atol, 0) + fmax(s->rtol, 0) * fabs(want->v[i]);
    return want->e ? VFY_SAFETY * want->e[i] : 0;
}

/* The number that is nearest to all elements, as their tolerances count. */
static double best_constant(const lint_lab *b, const ref_tensor *want)
{
    double low = -(double)INFINITY, high = (double)INFINITY;
    for (int64_t i = 0; i < want->shape.count; i++) {
        low = fmax(low, want->v[i] - lint_tolerance(b, want, i));
        high = fmin(high, want->v[i] + lint_tolerance(b, want, i));
    }
    if (!isfinite(low) || !isfinite(high))
        return isfinite(low) ? low : isfinite(high) ? high : 0;
    return low + (high - low) / 2;
}

int lint_ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(const ref_tensor *t)
{
    int64_t n = t->shape.count;
    double *v = ws_malloc((size_t)n * sizeof *v + 1);
    for (int64_t i = 0; i < n; i++)
        v[i] = isnan(t->v[i]) ? 0 : t->v[i];
    double m = n ? nth(v, n, n / 2) : 0;
    free(v);
    return m;
}

static bool try_answer(const lint_lab *b, const lint_trial *t, double *excess)
{
    bool right = true, several = false;
    for (int o = 0; o < b->g->n_outputs; o++)
        several |= b->c.want[o].shape.count > 1;
    if (!several && t->kind == LINT_LOOSE_CONSTANT) { /* some constant is always right */
        *excess = (double)INFINITY;
        return false;
    }
    for (int o = 0; o < b->g->n_outputs && right; o++) {
        const ref_tensor *want = &b->c.want[o];
        ref_tensor got = {.shape = want->shape};
        ws_err err = {0};
        bool copies = t->kind == LINT_COPY || t->kind == LINT_LOOSE_COPY;
        if (copies && b->in[t->tensor].shape.count != want->shape.count) {
            *excess = (double)INFINITY;
            return false;
        }
        if (ref_tensor_alloc(&got, false, "an answer", &err))
            return false;
        double v = t->kind == LINT_CONSTANT         ? best_constant(b, want)
                   : t->kind == LINT_LOOSE_CONSTANT ? median(want)
                                                    : 0;
        for (int64_t i = 0; i < got.shape.count; i++)
            got.v[i] = copies ? b->in[t->tensor].v[i] : v;
        if (vfy_lint_is_loose(t->kind))
            *excess = fmax(*excess, distance(t, want, &got));
        right = vfy_lint_is_loose(t->kind) ? *excess <= 1 : !compare(b, o, &got).wrong;
        ref_tensor_release(&got);
    }
    return right;
}

/* ---- other inputs, other graphs ---- */

/* What f32 and f16 are cut down to when nobody looks; other formats stay. */
static ws_dtype lower_of(ws_dtype t)
{
    switch (t) {
    case WS_F64:
        return WS_F32;
    case WS_F32:
    case WS_TF32:
        return WS_BF16;
    case WS_F16:
    case WS_BF16:
        return WS_E4M3;
    default:
        return t;
    }
}

bool lint_rounds_something(const lint_lab *b)
{
    for (int i = 0; i < lint_count_tensors(b->g->spec); i++) {
        ws_dtype lower = lower_of(b->g->spec->tensor[i].dtype);
        for (int64_t k = 0; k < b->in[i].shape.count; k++)
            if (ws_dtype_round(lower, b->in[i].v[k]) != b->in[i].v[k])
                return true;
    }
    return false;
}

/* Axis of tensor i that dim d of the spec makes longer; -1: none does. */
static int axis_of(const lint_lab *b, int i, int d)
{
    const spec_tensor *s = &b->g->spec->tensor[i];
    const char *name = b->g->spec->dim[d].name;
    int64_t n;
    ws_err err = {0};
    if (!ws_env_find(&b->env, name, &n))
        return -1;
    ws_binding longer = {name, n + 840}; /* divisible by what divides extents */
    ws_env env = {&longer, 1, &b->env};
    for (int a = 0; a < s->rank; a++)
        if (!ws_expr_eval(s->shape[a], &env, &n, &err) && n != b->in[i].shape.dim[a])
            return a;
    return -1;
}

/* An eighth along the axis that t->dim makes longer, again and again. */
static bool repeat_part(const lint_lab *b, int i, const lint_trial *t, ref_tensor *out)
{
    const ref_tensor *in = &b->in[i];
    int64_t outer, n, inner;
    ref_split(&in->shape, axis_of(b, i, t->dim), &outer, &n, &inner);
    int64_t kept = (n + 7) / 8, first = (n - kept) * t->part / 7;
    for (int64_t k = 0; k < outer * n; k++) {
        int64_t from = k / n * n + first + k % n % kept;
        memcpy(out->v + k * inner, in->v + from * inner, (size_t)inner * sizeof *in->v);
    }
    return true;
}

/* A tensor is sampled when it is at least an eighth of the largest; short axes say nothing. */
static bool is_sampled(const lint_lab *b, const lint_trial *t, int i)
{
    enum { SHORT = 16 };
    int64_t largest = 0;
    int axis = axis_of(b, i, t->dim);
    for (int k = 0; k < lint_count_tensors(b->g->spec); k++)
        if (b->in[k].shape.count > largest && axis_of(b, k, t->dim) >= 0)
            largest = b->in[k].shape.count;
    return axis >= 0 && b->in[i].shape.dim[axis] >= SHORT && b->in[i].shape.count >= largest / 8;
}

/* Other contents for tensor i: its init under another seed; where that gives the same, noise. */
static bool replace(const lint_lab *b, int i, const lint_trial *t, ref_tensor *out)
{
    const spec_tensor *s = &b->g->spec->tensor[i];
    ws_err err = {0};
    bool differs = false;
    bool others =
        t->kind == LINT_OTHER_INPUTS || t->kind == LINT_LOOSE_OTHER || t->kind == LINT_IGNORED;
    out->shape = b->in[i].shape;
    if (others ? ref_make_input(b->c.bound, i, b->c.seed + OTHER_SEED, out, &err)
               : ref_tensor_alloc(out, false, s->name, &err))
        return false;
    if (t->kind == LINT_LOOSE_SAMPLE)
        return repeat_part(b, i, t, out);
    for (int64_t k = 0; k < out->shape.count; k++) {
        if (t->kind == LINT_WITHOUT || t->kind == LINT_ONES)
            out->v[k] = t->kind == LINT_ONES;
        else if (t->kind == LINT_LOWER)
            out->v[k] = ws_dtype_round(lower_of(s->dtype), b->in[i].v[k]);
        differs |= out->v[k] != b->in[i].v[k];
    }
    for (int64_t k = 0;
         t->kind == LINT_IGNORED && !differs && ws_dtype_is_float(s->dtype) && k < out->shape.count;
         k++)
        out->v[k] = ws_dtype_round(s->dtype, ws_philox_normal(b->c.seed, 99, (uint64_t)k));
    return true;
}

/* Which tensors a trial changes. */
static bool concerns(const lint_lab *b, const lint_trial *t, int i)
{
    bool others = t->kind == LINT_OTHER_INPUTS || t->kind == LINT_LOOSE_OTHER;
    if (t->kind == LINT_LOOSE_SAMPLE)
        return is_sampled(b, t, i);
    return t->kind == LINT_LOWER || (others && !b->g->spec->tensor[i].is_weight) ||
           (!others && i == t->tensor);
}

static bool try_inputs(const lint_lab *b, const lint_trial *t, double *excess)
{
    int n = lint_count_tensors(b->g->spec);
    ref_tensor *in = ws_calloc((size_t)n + 1, sizeof *in);
    bool made = true, right;
    for (int i = 0; i < n; i++) {
        in[i] = b->in[i];
        if (concerns(b, t, i))
            made &= replace(b, i, t, &in[i]);
    }
    right = made && lint_passes(b, t, in, excess);
    for (int i = 0; i < n; i++)
        if (in[i].v != b->in[i].v)
            ref_tensor_release(&in[i]);
    free(in);
    return right;
}

/* From some eighths of what is summed over, each alone. */
static bool try_sample(const lint_lab *b, const lint_trial *t, double *excess)
{
    static const int parts[] = {0, 7, 2, 5};
    bool sampled = false, right = true;
    for (int i = 0; i < lint_count_tensors(b->g->spec); i++)
        sampled |= is_sampled(b, t, i);
    for (size_t k = 0; k < WS_COUNT(parts) && sampled && right; k++) {
        lint_trial one = *t;
        one.part = parts[k];
        right = try_inputs(b, &one, excess);
    }
    if (!sampled)
        *excess = (double)INFINITY;
    return sampled && right;
}

/* ---- any ---- */

bool lint_attempt(const lint_lab *b, const lint_trial *t, double *excess)
{
    switch (t->kind) {
    case LINT_ZEROS:
    case LINT_CONSTANT:
    case LINT_COPY:
    case LINT_LOOSE_ZEROS:
    case LINT_LOOSE_CONSTANT:
    case LINT_LOOSE_COPY:
        return try_answer(b, t, excess);
    case LINT_LOOSE_SAMPLE:
        return try_sample(b, t, excess);
    case LINT_OP:
        return lint_passes(b, t, b->in, excess);
    default:
        return try_inputs(b, t, excess);
    }
}
