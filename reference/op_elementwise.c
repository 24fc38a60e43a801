/* Two and three operands, element by element with broadcasting: arithmetic, comparisons, where,
 * masked_fill; and casts. */
#include "reference/ops.h"

#include <math.h>
#include <string.h>

/* ---- broadcasting in runs ---- */

enum { MAX_OPERANDS = 3 };

/* The result is walked in runs of `length` elements, in which operand k moves by step[k], 0 or 1.
 * stride[k][d] is what operand k moves along axis d of the result. */
typedef struct runs {
    const ref_call *c;
    int64_t length, step[MAX_OPERANDS];
    int64_t stride[MAX_OPERANDS][SPEC_MAX_RANK];
    int axes; /* of the result in front of a run */
    void (*body)(const struct runs *r, int64_t out, const int64_t *at, int64_t n);
    int fn;
} runs;

static void find_strides(runs *r)
{
    const ref_shape *out = &r->c->out->shape;
    for (int k = 0; k < r->c->n_in; k++) {
        const ref_shape *in = &r->c->in[k]->shape;
        int64_t step = 1;
        for (int d = out->rank - 1; d >= 0; d--) {
            int own = d - (out->rank - in->rank);
            int64_t extent = own < 0 ? 1 : in->dim[own];
            r->stride[k][d] = extent == 1 ? 0 : step;
            step *= extent;
        }
    }
}

/* Takes axes into the run from the last one on, as long as every operand goes on by its step. */
static void find_runs(runs *r)
{
    const ref_shape *out = &r->c->out->shape;
    r->length = 1;
    for (r->axes = out->rank; r->axes > 0; r->axes--) {
        int d = r->axes - 1;
        if (out->dim[d] == 1)
            continue;
        for (int k = 0; k < r->c->n_in; k++) {
            if (r->length == 1)
                r->step[k] = r->stride[k][d];
            else if (r->stride[k][d] != r->step[k] * r->length)
                return;
        }
        r->length *= out->dim[d];
    }
}

static void walk(void *ud, int64_t first, int64_t end)
{
    const runs *r = ud;
    const ref_shape *out = &r->c->out->shape;
    while (first < end) {
        int64_t in_run = first % r->length, rest = first / r->length, at[MAX_OPERANDS];
        int64_t n = r->length - in_run < end - first ? r->length - in_run : end - first;
        for (int k = 0; k < r->c->n_in; k++)
            at[k] = in_run * r->step[k];
        for (int d = r->axes - 1; d >= 0; d--) {
            for (int k = 0; k < r->c->n_in; k++)
                at[k] += rest % out->dim[d] * r->stride[k][d];
            rest /= out->dim[d];
        }
        r->body(r, first, at, n);
        first += n;
    }
}

static ws_status run_walk(const ref_call *c, int fn,
                          void (*body)(const runs *r, int64_t out, const int64_t *at, int64_t n))
{
    runs r = {.c = c, .body = body, .fn = fn};
    find_strides(&r);
    find_runs(&r);
    ref_for_ranges(c->out->shape.count, 4, walk, &r);
    return WS_OK;
}

/* ---- binary functions ---- */

/* name, op, value */
#define BINARY_FNS(X)                                                                              \
    X(B_ADD, "add", a + b)                                                                         \
    X(B_SUB, "sub", a - b)                                                                         \
    X(B_MUL, "mul", a * b)                                                                         \
    X(B_DIV, "div", a / b)                                                                         \
    X(B_MAX, "maximum", a > b || isnan(a) ? a : b)                                                 \
    X(B_MIN, "minimum", a < b || isnan(a) ? a : b)                                                 \
    X(B_EQ, "eq", a == b)                                                                          \
    X(B_NE, "ne", a != b)                                                                          \
    X(B_LT, "lt", a < b)                                                                           \
    X(B_LE, "le", a <= b)                                                                          \
    X(B_GT, "gt", a > b)                                                                           \
    X(B_GE, "ge", a >= b)                                                                          \
    X(B_AND, "logical_and", a != 0 && b != 0)                                                      \
    X(B_OR, "logical_or", a != 0 || b != 0)                                                        \
    X(B_XOR, "logical_xor", (a != 0) != (b != 0))
#define ENUM(name, op, value) name,
#define NAME(name, op, value) op,
typedef enum binary_fn { BINARY_FNS(ENUM) N_BINARY } binary_fn;
static const char *const binary_names[] = {BINARY_FNS(NAME)};

static int find_binary(const char *op)
{
    for (int i = 0; i < N_BINARY; i++)
        if (strcmp(binary_names[i], op) == 0)
            return i;
    ws_bug("not a binary op");
}

/* y = value over n elements; the three usual steps are loops of their own, so that they vectorise.
 */
#define LOOP(sa, sb, value)                                                                        \
    for (int64_t i = 0; i < n; i++) {                                                              \
        const double a = pa[i * (sa)], b = pb[i * (sb)];                                           \
        y[i] = value;                                                                              \
    }
#define CASE(name, op, value)                                                                      \
    case name:                                                                                     \
        if (sa && sb)                                                                              \
            LOOP(1, 1, value)                                                                      \
        else if (sa)                                                                               \
            LOOP(1, 0, value)                                                                      \
        else                                                                                       \
            LOOP(0, sb, value)                                                                     \
        break;

static void binary_values(binary_fn fn, const double *restrict pa, int64_t sa,
                          const double *restrict pb, int64_t sb, double *restrict y, int64_t n)
{
    switch (fn) {
        BINARY_FNS(CASE)
    case N_BINARY: break;
    }
}

/* A factor of 0 takes the error of the other away, however large that is. */
static double scaled(double factor, double e)
{
    return factor == 0 || e == 0 ? 0 : fabs(factor) * e;
}

/* A quotient whose divisor may be zero within its error has no bound. */
static double quotient_error(double a, double b, double v, double ea, double eb, double u)
{
    if (eb >= fabs(b) && eb > 0)
        return (double)INFINITY;
    (void)a;
    return (ea + scaled(v, eb)) / (fabs(b) - eb) + 3 * u * fabs(v);
}

/* Within their errors either may win; the result is off by no more than the larger error. */
static double extremum_error(double a, double b, double v, double ea, double eb)
{
    return fabs(a - b) <= ea + eb ? fmax(ea, eb) : v == a ? ea : eb;
}

static double binary_error(binary_fn fn, double a, double b, double v, double ea, double eb,
                           double u)
{
    switch (fn) {
    case B_ADD:
    case B_SUB: return ea + eb + u * fabs(v);
    case B_MUL: return scaled(b, ea) + scaled(a, eb) + u * fabs(v);
    case B_DIV: return quotient_error(a, b, v, ea, eb, u);
    case B_MAX:
    case B_MIN: return extremum_error(a, b, v, ea, eb);
    default: return 0; /* comparisons */
    }
}

static void binary_run(const runs *r, int64_t out, const int64_t *at, int64_t n)
{
    const ref_call *c = r->c;
    const ref_tensor *a = c->in[0], *b = c->in[1];
    binary_values((binary_fn)r->fn, a->v + at[0], r->step[0], b->v + at[1], r->step[1],
                  c->out->v + out, n);
    for (int64_t i = 0; c->out->e && i < n; i++) {
        int64_t ia = at[0] + i * r->step[0], ib = at[1] + i * r->step[1];
        c->out->e[out + i] = binary_error((binary_fn)r->fn, a->v[ia], b->v[ib], c->out->v[out + i],
                                          ref_err(a, ia), ref_err(b, ib), c->u);
    }
}

static ws_status eval_binary(const ref_call *c)
{
    return run_walk(c, find_binary(c->op->name), binary_run);
}

static ws_status infer_compare(ref_infer *f)
{
    f->out->dtype = WS_BOOL;
    return ref_broadcast(f);
}

/* ---- where(c, a, b) and masked_fill(x, mask) ---- */

static void where_run(const runs *r, int64_t out, const int64_t *at, int64_t n)
{
    const ref_call *c = r->c;
    for (int64_t i = 0; i < n; i++) {
        int k = c->in[0]->v[at[0] + i * r->step[0]] != 0 ? 1 : 2;
        int64_t from = at[k] + i * r->step[k];
        c->out->v[out + i] = c->in[k]->v[from];
        if (c->out->e)
            c->out->e[out + i] = ref_err(c->in[k], from);
    }
}

static ws_status eval_where(const ref_call *c)
{
    return run_walk(c, 0, where_run);
}

static void masked_fill_run(const runs *r, int64_t out, const int64_t *at, int64_t n)
{
    const ref_call *c = r->c;
    for (int64_t i = 0; i < n; i++) {
        int64_t x = at[0] + i * r->step[0];
        bool masked = c->in[1]->v[at[1] + i * r->step[1]] != 0;
        c->out->v[out + i] = masked ? c->at->value : c->in[0]->v[x];
        if (c->out->e)
            c->out->e[out + i] = masked ? 0 : ref_err(c->in[0], x);
    }
}

static ws_status eval_masked_fill(const ref_call *c)
{
    return run_walk(c, 0, masked_fill_run);
}

/* ---- casts and dropout ---- */

static ws_status infer_cast(ref_infer *f)
{
    ref_same_shape(f->out, f->in[0]);
    if (f->in[0]->dtype == WS_F64)
        f->out->dtype = WS_F64;
    return WS_OK;
}

static void cast_range(void *ud, int64_t first, int64_t end)
{
    const ref_call *c = ud;
    size_t bytes = (size_t)(end - first) * sizeof(double);
    memcpy(c->out->v + first, c->in[0]->v + first, bytes);
    if (c->out->e && c->in[0]->e)
        memcpy(c->out->e + first, c->in[0]->e + first, bytes);
}

static ws_status eval_cast(const ref_call *c)
{
    ref_for_ranges(c->out->shape.count, 4, cast_range, (void *)(uintptr_t)c);
    return WS_OK;
}

/* What is random has no reference: a mask is an input of the spec. */
static ws_status infer_dropout(ref_infer *f)
{
    if (!(f->at->p >= 0 && f->at->p < 1))
        return ref_infer_fail(f, "attribute 'p' is not in [0, 1)");
    if (f->at->training && f->at->p > 0)
        return ref_infer_fail(
            f, "dropout in training is random: multiply by a mask that is an input, with "
               "\"init\": {\"dist\": \"bernoulli\", \"p\": %g}, and by 1 / %g",
            1 - f->at->p, 1 - f->at->p);
    return infer_cast(f);
}

/* ---- rows ---- */

static double flops_per_element(const ref_attrs *at, const ref_shape *const *in, int n_in,
                                const ref_shape *out)
{
    (void)at, (void)in, (void)n_in;
    return (double)out->count;
}

#define ROW2(op, shape)                                                                            \
    {.name = op, .min_in = 2, .max_in = 2, .attrs = "", .infer = shape, .eval = eval_binary,       \
     .flops = flops_per_element, .fills = true}
const ref_op ref_ops_elementwise[] = {
    {.name = "cast", .min_in = 1, .max_in = 1, .attrs = "", .infer = infer_cast, .eval = eval_cast,
     .flops = flops_per_element},
    {.name = "dropout", .min_in = 1, .max_in = 1, .attrs = "p training", .infer = infer_dropout,
     .eval = eval_cast},
    ROW2("add", ref_broadcast), ROW2("sub", ref_broadcast), ROW2("mul", ref_broadcast),
    ROW2("div", ref_broadcast), ROW2("maximum", ref_broadcast), ROW2("minimum", ref_broadcast),
    ROW2("eq", infer_compare), ROW2("ne", infer_compare), ROW2("lt", infer_compare),
    ROW2("le", infer_compare), ROW2("gt", infer_compare), ROW2("ge", infer_compare),
    ROW2("logical_and", infer_compare), ROW2("logical_or", infer_compare),
    ROW2("logical_xor", infer_compare),
    {.name = "where", .min_in = 3, .max_in = 3, .attrs = "", .infer = ref_broadcast,
     .eval = eval_where, .flops = flops_per_element, .fills = true},
    {.name = "masked_fill", .min_in = 2, .max_in = 2, .attrs = "value", .infer = ref_broadcast,
     .eval = eval_masked_fill, .flops = flops_per_element, .fills = true},
    {0}};
