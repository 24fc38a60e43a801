/* Functions of one element: value, slope, accuracy of CUDA's form, and that form. */
#include "reference/elementary.h"
#include "reference/ops.h"

#include <math.h>
#include <string.h>

/* glibc has these functions for vectors too, within 4 ulp of double: loops over them then take four
 * or eight elements at a time. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)
#if __GLIBC_PREREQ(2, 35)
#define VECTORISED __attribute__((simd("notinbranch")))
VECTORISED double exp(double x);
VECTORISED double log(double x);
VECTORISED double erf(double x);
VECTORISED double sin(double x);
VECTORISED double cos(double x);
#define FOR_EACH_CPU __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#endif
#ifndef FOR_EACH_CPU
#define FOR_EACH_CPU
#endif

#define SQRT1_2     0.70710678118654752440
#define INV_SQRT2PI 0.39894228040143267794
#define SELU_SCALE  1.0507009873554804934 /* Klambauer et al., 2017 */
#define SELU_ALPHA  1.6732632423543772848

/* f_name, its slope d_name, and r_name: f over n elements. */
#define F1(name, value, slope)                                                                     \
    static inline double f_##name(double x, const ref_attrs *at)                                   \
    {                                                                                              \
        (void)at;                                                                                  \
        return value;                                                                              \
    }                                                                                              \
    static double d_##name(double x, const ref_attrs *at)                                          \
    {                                                                                              \
        (void)at, (void)x;                                                                         \
        return slope;                                                                              \
    }                                                                                              \
    FOR_EACH_CPU static void r_##name(const double *restrict x, double *restrict y, int64_t n,     \
                                      const ref_attrs *at)                                         \
    {                                                                                              \
        const ref_attrs own = *at; /* so that the loop need not read it again */                   \
        for (int64_t i = 0; i < n; i++)                                                            \
            y[i] = f_##name(x[i], &own);                                                           \
    }

/* f over an array, for CPUs with `features`. */
#define LOOP(name, kind, features, fma)                                                            \
    features static void r_##name##_##kind(const double *restrict x, double *restrict y,           \
                                           int64_t n, const ref_attrs *at)                         \
    {                                                                                              \
        const ref_attrs own = *at;                                                                 \
        for (int64_t i = 0; i < n; i++)                                                            \
            y[i] = e_##name(x[i], &own, fma);                                                      \
    }
#if defined(__x86_64__)
#define OWN_FMA false
#define LOOPS(name)                                                                                \
    LOOP(name, any, , false)                                                                       \
    LOOP(name, avx2, __attribute__((target("avx2,fma"))), true)                                    \
    LOOP(name, avx512, __attribute__((target("avx512f,fma"))), true)
#define BEST_LOOP(name)                                                                            \
    (!__builtin_cpu_supports("fma") || !__builtin_cpu_supports("avx2") ? r_##name##_any            \
     : __builtin_cpu_supports("avx512f")                               ? r_##name##_avx512         \
                                                                       : r_##name##_avx2)
#else
#ifdef __FP_FAST_FMA
#define OWN_FMA true
#else
#define OWN_FMA false
#endif
#define LOOPS(name)     LOOP(name, any, , OWN_FMA)
#define BEST_LOOP(name) r_##name##_any
#endif

/* As F1, of what elementary.h has: `value` takes `fma`. */
#define E1(name, value, slope)                                                                     \
    REF_INLINE double e_##name(double x, const ref_attrs *at, bool fma)                            \
    {                                                                                              \
        (void)at;                                                                                  \
        return value;                                                                              \
    }                                                                                              \
    static double f_##name(double x, const ref_attrs *at)                                          \
    {                                                                                              \
        return e_##name(x, at, OWN_FMA);                                                           \
    }                                                                                              \
    static double d_##name(double x, const ref_attrs *at)                                          \
    {                                                                                              \
        (void)at;                                                                                  \
        return slope;                                                                              \
    }                                                                                              \
    LOOPS(name)                                                                                    \
    static void r_##name(const double *restrict x, double *restrict y, int64_t n,                  \
                         const ref_attrs *at)                                                      \
    {                                                                                              \
        BEST_LOOP(name)(x, y, n, at);                                                              \
    }

static double logistic(double x)
{
    return el_sigmoid(x, OWN_FMA);
}

static double mish_slope(double x)
{
    double t = tanh(el_softplus(x, OWN_FMA));
    return t + x * (1 - t * t) * logistic(x);
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
E1(tanh, el_tanh(x, fma), 1 - tanh(x) * tanh(x))
E1(sigmoid, el_sigmoid(x, fma), logistic(x) * (1 - logistic(x)))
E1(silu, el_silu(x, fma), logistic(x) * (1 + x * (1 - logistic(x))))
F1(erf, erf(x), 2 * 0.56418958354775628695 * exp(-x * x))
F1(sin, sin(x), cos(x))
F1(cos, cos(x), sin(x))
E1(softplus, x * at->beta > at->threshold ? x : el_softplus(x * at->beta, fma) / at->beta,
   logistic(x * at->beta))
F1(leaky_relu, x > 0 ? x : at->slope * x, x > 0 ? 1 : at->slope)
E1(elu, x > 0 ? x : at->alpha * el_expm1_down(x, fma).high, x > 0 ? 1 : at->alpha * exp(x))
E1(selu, SELU_SCALE *(x > 0 ? x : SELU_ALPHA * el_expm1_down(x, fma).high),
   SELU_SCALE *(x > 0 ? 1 : SELU_ALPHA * exp(x)))
/* the slopes of gelu's two forms differ by less than the bound's slack */
#define GELU_SLOPE (0.5 * erfc(-x * SQRT1_2) + x * INV_SQRT2PI * exp(-0.5 * x * x))
E1(gelu_erf, el_gelu(x, fma), GELU_SLOPE)
E1(gelu_tanh, el_gelu_tanh(x, fma), GELU_SLOPE)
E1(mish, el_mish(x, fma), mish_slope(x))
F1(hardswish, x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6, fabs(x) > 3 ? x > 0 : x / 3 + 0.5)
F1(hardsigmoid, x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6, fabs(x) > 3 ? 0 : 1.0 / 6)
F1(huber, fabs(x) < at->beta ? 0.5 * x * x / at->beta : fabs(x) - 0.5 * at->beta,
   fmin(fabs(x) / at->beta, 1))
F1(clamp, x<at->least ? at->least : x> at->most ? at->most : x, x >= at->least && x <= at->most)
F1(pow, pow(x, at->exponent), at->exponent *pow(x, at->exponent - 1))
F1(logical_not, x == 0, 0)

static double f_gelu(double x, const ref_attrs *at)
{
    return at->tanh_approximation ? f_gelu_tanh(x, at) : f_gelu_erf(x, at);
}

static double d_gelu(double x, const ref_attrs *at)
{
    return at->tanh_approximation ? d_gelu_tanh(x, at) : d_gelu_erf(x, at);
}

static void r_gelu(const double *restrict x, double *restrict y, int64_t n, const ref_attrs *at)
{
    (at->tanh_approximation ? r_gelu_tanh : r_gelu_erf)(x, y, n, at);
}

/* name, attributes, ulp, floor, CUDA's form. ulp: CUDA C++ Programming Guide, mathematical
 * functions, single precision, without -use_fast_math, plus one for the operations around the
 * function. */
/* clang-format off */
#define UNARIES(OP)                                                                                \
    OP(relu, "", 0, NONE, "(x > 0 || x != x ? x : 0)")                                             \
    OP(neg, "", 0, NONE, "(-x)")                                                                   \
    OP(abs, "", 0, NONE, "fabs(x)")                                                                \
    OP(exp, "", 4, NONE, "exp(x)")                                                                 \
    OP(log, "", 4, NONE, "log(x)")                                                                 \
    OP(sqrt, "", 2, NONE, "sqrt(x)")                                                               \
    OP(rsqrt, "", 4, NONE, "rsqrt(x)")                                                             \
    OP(reciprocal, "", 2, NONE, "(1 / x)")                                                         \
    OP(square, "", 2, NONE, "(x * x)")                                                             \
    OP(tanh, "", 4, NONE, "tanh(x)")                                                               \
    OP(sigmoid, "", 6, NONE, "(1 / (1 + exp(-x)))")                                                \
    OP(silu, "", 8, X, "(x / (1 + exp(-x)))")                                                      \
    OP(erf, "", 4, NONE, "erf(x)")                                                                 \
    OP(sin, "", 4, ONE, "sin(x)")                                                                  \
    OP(cos, "", 4, ONE, "cos(x)")                                                                  \
    OP(softplus, "beta threshold", 8, ONE,                                                         \
       "(x * BETA > THRESHOLD ? x : log1p(exp(x * BETA)) / BETA)")                                 \
    OP(leaky_relu, "slope", 2, NONE, "(x > 0 ? x : SLOPE * x)")                                    \
    OP(elu, "alpha", 6, BELOW_ZERO, "(x > 0 ? x : ALPHA * expm1(x))")                              \
    OP(selu, "", 6, BELOW_ZERO, "(SELU_SCALE * (x > 0 ? x : SELU_ALPHA * expm1(x)))")              \
    OP(gelu, "approximate", 8, X, NULL)                                                            \
    OP(mish, "", 10, X, "(x * tanh(x > 20 ? x : log1p(exp(x))))")                                  \
    OP(hardswish, "", 3, RAMP, "(x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6)")                     \
    OP(hardsigmoid, "", 3, RAMP, "(x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6)")                       \
    OP(huber, "beta", 4, NONE, "(fabs(x) < BETA ? x * x / (2 * BETA) : fabs(x) - BETA / 2)")       \
    OP(clamp, "min max", 0, NONE, "(x < LEAST ? LEAST : x > MOST ? MOST : x)")                     \
    OP(pow, "exponent", 9, NONE, NULL)                                                             \
    OP(logical_not, "", 0, NONE, "(x == 0)")
/* clang-format on */
#define UNARY(name, attrs, ulp, floor, cuda)                                                       \
    {#name, f_##name, d_##name, r_##name, ulp, REF_FLOOR_##floor, cuda},
const ref_unary ref_unaries[] = {UNARIES(UNARY){0}};

const ref_unary *ref_find_unary(const char *name)
{
    for (const ref_unary *r = ref_unaries; r->name; r++)
        if (strcmp(r->name, name) == 0)
            return r;
    return NULL;
}

/* What usual forms of a function lose where the result is small: they add terms of this size. */
static double absolute_floor(const ref_unary *r, const ref_attrs *at, double x)
{
    switch (r->floor) {
    case REF_FLOOR_NONE:
        return 0;
    case REF_FLOOR_X:
        return fabs(x);
    case REF_FLOOR_ONE:
        return 1 / at->beta;
    case REF_FLOOR_BELOW_ZERO:
        return x <= 0 ? fabs(at->alpha) : 0;
    case REF_FLOOR_RAMP:
        return fabs(x) <= 3.01 ? fmin(1, fabs(x)) : 0;
    }
    ws_bug("unknown floor");
}

static ws_status infer_unary(ref_infer *f)
{
    ref_same_shape(f->out, f->in[0]);
    if (f->in[0]->dtype == WS_F64)
        f->out->dtype = WS_F64;
    if (strcmp(f->spec->op, "logical_not") == 0)
        f->out->dtype = WS_BOOL;
    if (!(f->at->beta > 0))
        return ref_infer_fail(f, "attribute 'beta' is not above 0");
    if (f->at->least > f->at->most)
        return ref_infer_fail(f, "min %g is above max %g", f->at->least, f->at->most);
    return WS_OK;
}

typedef struct unary_job {
    const ref_call *c;
    const ref_unary *r;
} unary_job;

/* What an error e of x makes of f(x): by the slope, and at both ends where e is large against the
 * curvature or a kink. */
static double carried(const unary_job *j, double x, double v, double e)
{
    const ref_attrs *at = j->c->at;
    double d = fabs(j->r->df(x, at)) * e;
    if (e == 0)
        return 0;
    d = fmax(d, fabs(j->r->f(x + e, at) - v));
    return fmax(d, fabs(j->r->f(x - e, at) - v));
}

static void unary_range(void *ud, int64_t first, int64_t end)
{
    const unary_job *j = ud;
    const ref_call *c = j->c;
    const ref_tensor *in = c->in[0];
    j->r->run(in->v + first, c->out->v + first, end - first, c->at);
    for (int64_t i = first; c->out->e && i < end; i++) {
        double x = in->v[i], v = c->out->v[i];
        c->out->e[i] = j->r->ulp * c->u * (fabs(v) + absolute_floor(j->r, c->at, x));
        if (in->e)
            c->out->e[i] += carried(j, x, v, in->e[i]);
    }
}

static ws_status eval_unary(const ref_call *c)
{
    unary_job j = {c, ref_find_unary(c->op->name)};
    ref_for_ranges(c->out->shape.count, 10, unary_range, &j);
    return WS_OK;
}

static double flops_per_element(const ref_attrs *at, const ref_shape *const *in, int n_in,
                                const ref_shape *out)
{
    (void)at, (void)in, (void)n_in;
    return (double)out->count;
}

#define ROW(op, attributes, ulp, floor, cuda)                                                      \
    {.name = #op, .min_in = 1, .max_in = 1, .attrs = attributes, .infer = infer_unary,             \
     .eval = eval_unary, .flops = flops_per_element, .fills = true},
const ref_op ref_ops_unary[] = {UNARIES(ROW){0}};
