/* Unary and binary ops, comparisons, where, masked_fill, casts. */
#include "reference/ops.h"

#include <math.h>
#include <string.h>

/* ---- unary functions ---- */

#define SQRT1_2     0.70710678118654752440
#define INV_SQRT2PI 0.39894228040143267794
#define SQRT2_PI    0.79788456080286535588 /* sqrt(2 / pi) */

#define F1(name, value, slope)                                                                     \
    static double f_##name(double x, const ref_attrs *at)                                          \
    {                                                                                              \
        (void)at;                                                                                  \
        return value;                                                                              \
    }                                                                                              \
    static double d_##name(double x, const ref_attrs *at)                                          \
    {                                                                                              \
        (void)at, (void)x;                                                                         \
        return slope;                                                                              \
    }

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

static double gelu_tanh_inner(double x)
{
    return SQRT2_PI * (x + 0.044715 * x * x * x);
}

F1(relu, x > 0 || isnan(x) ? x : 0, x >= 0 ? 1 : 0)
F1(neg, -x, 1)
F1(abs, fabs(x), 1)
F1(exp, exp(x), exp(x))
F1(log, log(x), 1 / x)
F1(sqrt, sqrt(x), x > 0 ? 0.5 / sqrt(x) : 0)
F1(rsqrt, 1 / sqrt(x), 0.5 / (x * sqrt(x)))
F1(reciprocal, 1 / x, 1 / (x * x))
F1(square, x *x, 2 * x)
F1(tanh, tanh(x), 1 - tanh(x) * tanh(x))
F1(sigmoid, logistic(x), logistic(x) * (1 - logistic(x)))
F1(silu, x *logistic(x), logistic(x) * (1 + x * (1 - logistic(x))))
F1(erf, erf(x), 2 * 0.56418958354775628695 * exp(-x * x))
F1(sin, sin(x), cos(x))
F1(cos, cos(x), sin(x))
F1(softplus, x > 20 ? x : log1p(exp(x)), logistic(x))
F1(leaky_relu, x > 0 ? x : at->slope * x, x > 0 ? 1 : at->slope)
F1(elu, x > 0 ? x : at->alpha * expm1(x), x > 0 ? 1 : at->alpha * exp(x))

static double f_gelu(double x, const ref_attrs *at)
{
    return at->tanh_approximation ? 0.5 * x * (1 + tanh(gelu_tanh_inner(x)))
                                  : 0.5 * x * erfc(-x * SQRT1_2);
}

static double d_gelu(double x, const ref_attrs *at)
{
    (void)at; /* the two forms differ by less than the bound's slack */
    return 0.5 * erfc(-x * SQRT1_2) + x * INV_SQRT2PI * exp(-0.5 * x * x);
}

#define R1(name, ulp, cuda) {#name, f_##name, d_##name, ulp, cuda}
/* ulp: CUDA C++ Programming Guide, mathematical functions, single precision, without
 * -use_fast_math, plus one for the operations around the function. */
const ref_unary ref_unaries[] = {
    R1(relu, 0, "(x > 0 || x != x ? x : 0)"), R1(neg, 0, "(-x)"), R1(abs, 0, "fabs(x)"),
    R1(exp, 4, "exp(x)"), R1(log, 4, "log(x)"), R1(sqrt, 2, "sqrt(x)"), R1(rsqrt, 4, "rsqrt(x)"),
    R1(reciprocal, 2, "(1 / x)"), R1(square, 2, "(x * x)"), R1(tanh, 4, "tanh(x)"),
    R1(sigmoid, 6, "(1 / (1 + exp(-x)))"), R1(silu, 8, "(x / (1 + exp(-x)))"), R1(erf, 4, "erf(x)"),
    R1(sin, 4, "sin(x)"), R1(cos, 4, "cos(x)"), R1(softplus, 8, "(x > 20 ? x : log1p(exp(x)))"),
    R1(leaky_relu, 2, "(x > 0 ? x : SLOPE * x)"), R1(elu, 6, "(x > 0 ? x : ALPHA * expm1(x))"),
    R1(gelu, 8, NULL), {0}};

/* Functions whose formula adds terms of size 1 lose absolute accuracy where the result is small. */
static double absolute_floor(const ref_unary *r, double x)
{
    if (r->f == f_gelu || r->f == f_silu)
        return fabs(x);
    return r->f == f_sin || r->f == f_cos || r->f == f_softplus || r->f == f_elu ? 1 : 0;
}

static const ref_unary *find_unary(const char *name)
{
    for (const ref_unary *r = ref_unaries; r->name; r++)
        if (strcmp(r->name, name) == 0)
            return r;
    return NULL;
}

static ws_status infer_same(ref_infer *f)
{
    ref_same_shape(f->out, f->in[0]);
    if (f->in[0]->dtype == WS_F64)
        f->out->dtype = WS_F64;
    return WS_OK;
}

typedef struct unary_job {
    const ref_call *c;
    const ref_unary *r;
} unary_job;

static void unary_one(void *ud, int64_t i)
{
    const unary_job *j = ud;
    const ref_call *c = j->c;
    double x = c->in[0]->v[i], v = j->r->f(x, c->at);
    c->out->v[i] = v;
    if (c->out->e)
        c->out->e[i] = fabs(j->r->df(x, c->at)) * ref_err(c->in[0], i) +
                       j->r->ulp * c->u * (fabs(v) + absolute_floor(j->r, x));
}

static ws_status run_unary(const ref_call *c, const char *name)
{
    unary_job j = {c, find_unary(name)};
    ref_for(c->out->shape.count, 40, unary_one, &j);
    return WS_OK;
}

/* ---- binary functions ---- */

typedef enum binary_fn {
    B_ADD, B_SUB, B_MUL, B_DIV, B_MAX, B_MIN, B_EQ, B_NE, B_LT, B_LE, B_GT, B_GE, B_AND, B_OR
} binary_fn;

typedef struct binary_job {
    const ref_call *c;
    binary_fn fn;
} binary_job;

static double larger(double a, double b, double ea, double eb, double *e)
{
    /* Within their errors either may win; the result is off by no more than the larger error. */
    *e = fabs(a - b) <= ea + eb ? fmax(ea, eb) : a > b ? ea : eb;
    return a > b || isnan(a) ? a : b;
}

static void binary_one(void *ud, int64_t i)
{
    const binary_job *j = ud;
    const ref_call *c = j->c;
    int64_t ia = ref_broadcast_index(&c->out->shape, &c->in[0]->shape, i);
    int64_t ib = ref_broadcast_index(&c->out->shape, &c->in[1]->shape, i);
    double a = c->in[0]->v[ia], b = c->in[1]->v[ib], v = 0, e = 0;
    double ea = ref_err(c->in[0], ia), eb = ref_err(c->in[1], ib);
    switch (j->fn) {
    case B_ADD: v = a + b; e = ea + eb + c->u * fabs(v); break;
    case B_SUB: v = a - b; e = ea + eb + c->u * fabs(v); break;
    case B_MUL: v = a * b; e = fabs(b) * ea + fabs(a) * eb + c->u * fabs(v); break;
    case B_DIV: v = a / b; e = (ea + fabs(v) * eb) / fabs(b) + 3 * c->u * fabs(v); break;
    case B_MAX: v = larger(a, b, ea, eb, &e); break;
    case B_MIN: v = -larger(-a, -b, ea, eb, &e); break;
    case B_EQ: v = a == b; break;
    case B_NE: v = a != b; break;
    case B_LT: v = a < b; break;
    case B_LE: v = a <= b; break;
    case B_GT: v = a > b; break;
    case B_GE: v = a >= b; break;
    case B_AND: v = a && b; break;
    case B_OR: v = a || b; break;
    }
    c->out->v[i] = v;
    if (c->out->e)
        c->out->e[i] = e;
}

static ws_status run_binary(const ref_call *c, binary_fn fn)
{
    binary_job j = {c, fn};
    ref_for(c->out->shape.count, 20, binary_one, &j);
    return WS_OK;
}

static ws_status infer_compare(ref_infer *f)
{
    f->out->dtype = WS_BOOL;
    return ref_broadcast(f);
}

/* ---- where(c, a, b) and masked_fill(x, mask) ---- */

static void where_one(void *ud, int64_t i)
{
    const ref_call *c = ud;
    int64_t im = ref_broadcast_index(&c->out->shape, &c->in[0]->shape, i);
    const ref_tensor *from = c->in[0]->v[im] != 0 ? c->in[1] : c->in[2];
    int64_t k = ref_broadcast_index(&c->out->shape, &from->shape, i);
    c->out->v[i] = from->v[k];
    if (c->out->e)
        c->out->e[i] = ref_err(from, k);
}

static ws_status eval_where(const ref_call *c)
{
    ref_for(c->out->shape.count, 20, where_one, (void *)(uintptr_t)c);
    return WS_OK;
}

static void masked_fill_one(void *ud, int64_t i)
{
    const ref_call *c = ud;
    int64_t im = ref_broadcast_index(&c->out->shape, &c->in[1]->shape, i);
    int64_t ix = ref_broadcast_index(&c->out->shape, &c->in[0]->shape, i);
    bool masked = c->in[1]->v[im] != 0;
    c->out->v[i] = masked ? c->at->value : c->in[0]->v[ix];
    if (c->out->e)
        c->out->e[i] = masked ? 0 : ref_err(c->in[0], ix);
}

static ws_status eval_masked_fill(const ref_call *c)
{
    ref_for(c->out->shape.count, 20, masked_fill_one, (void *)(uintptr_t)c);
    return WS_OK;
}

/* ---- rows ---- */

static double flops_per_element(const ref_attrs *at, const ref_shape *const *in, int n_in,
                                const ref_shape *out)
{
    (void)at, (void)in, (void)n_in;
    return (double)out->count;
}

static ws_status eval_cast(const ref_call *c)
{
    memcpy(c->out->v, c->in[0]->v, (size_t)c->out->shape.count * sizeof *c->out->v);
    for (int64_t i = 0; c->out->e && i < c->out->shape.count; i++)
        c->out->e[i] = ref_err(c->in[0], i);
    return WS_OK;
}

#define EVAL1(name)                                                                                \
    static ws_status eval_##name(const ref_call *c)                                                \
    {                                                                                              \
        return run_unary(c, #name);                                                                \
    }
/* clang-format off */
EVAL1(relu) EVAL1(neg) EVAL1(abs) EVAL1(exp) EVAL1(log) EVAL1(sqrt) EVAL1(rsqrt) EVAL1(reciprocal)
EVAL1(square) EVAL1(tanh) EVAL1(sigmoid) EVAL1(silu) EVAL1(erf) EVAL1(sin) EVAL1(cos)
EVAL1(softplus) EVAL1(leaky_relu) EVAL1(elu) EVAL1(gelu)

#define EVAL2(name, fn)                                                                            \
    static ws_status eval_##name(const ref_call *c)                                                \
    {                                                                                              \
        return run_binary(c, fn);                                                                  \
    }
EVAL2(add, B_ADD) EVAL2(sub, B_SUB) EVAL2(mul, B_MUL) EVAL2(div, B_DIV) EVAL2(maximum, B_MAX)
EVAL2(minimum, B_MIN) EVAL2(eq, B_EQ) EVAL2(ne, B_NE) EVAL2(lt, B_LT) EVAL2(le, B_LE)
EVAL2(gt, B_GT) EVAL2(ge, B_GE) EVAL2(logical_and, B_AND) EVAL2(logical_or, B_OR)

#define ROW1(op, attributes) {.name = #op, .min_in = 1, .max_in = 1, .attrs = attributes,          \
                              .infer = infer_same, .eval = eval_##op, .flops = flops_per_element}
#define ROW2(op, shape) {.name = #op, .min_in = 2, .max_in = 2, .attrs = "", .infer = shape,       \
                         .eval = eval_##op, .flops = flops_per_element}
const ref_op ref_ops_elementwise[] = {
    ROW1(relu, ""), ROW1(neg, ""), ROW1(abs, ""), ROW1(exp, ""), ROW1(log, ""), ROW1(sqrt, ""),
    ROW1(rsqrt, ""), ROW1(reciprocal, ""), ROW1(square, ""), ROW1(tanh, ""), ROW1(sigmoid, ""),
    ROW1(silu, ""), ROW1(erf, ""), ROW1(sin, ""), ROW1(cos, ""), ROW1(softplus, ""),
    ROW1(leaky_relu, "slope"), ROW1(elu, "alpha"), ROW1(gelu, "approximate"), ROW1(cast, ""),
    ROW2(add, ref_broadcast), ROW2(sub, ref_broadcast), ROW2(mul, ref_broadcast),
    ROW2(div, ref_broadcast), ROW2(maximum, ref_broadcast), ROW2(minimum, ref_broadcast),
    ROW2(eq, infer_compare), ROW2(ne, infer_compare), ROW2(lt, infer_compare),
    ROW2(le, infer_compare), ROW2(gt, infer_compare), ROW2(ge, infer_compare),
    ROW2(logical_and, infer_compare), ROW2(logical_or, infer_compare),
    {.name = "where", .min_in = 3, .max_in = 3, .attrs = "", .infer = ref_broadcast,
     .eval = eval_where, .flops = flops_per_element},
    {.name = "masked_fill", .min_in = 2, .max_in = 2, .attrs = "value", .infer = ref_broadcast,
     .eval = eval_masked_fill, .flops = flops_per_element},
    {0}};
/* clang-format on */
