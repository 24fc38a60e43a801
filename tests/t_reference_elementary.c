/* The functions of elementary.h against long double, with fused multiplication and without: dense
 * grids around zero, tails down to underflow, and what is no number. */
#include "reference/elementary.h"
#include "tests/tap.h"

#include <float.h>

/* ---- the same in long double ---- */

static long double want_sigmoid(long double x)
{
    return 1 / (1 + expl(-x));
}

static long double want_silu(long double x)
{
    return x / (1 + expl(-x));
}

static long double want_tanh(long double x)
{
    return tanhl(x);
}

static long double want_softplus(long double x)
{
    return fmaxl(x, 0) + log1pl(expl(-fabsl(x)));
}

static long double want_mish(long double x)
{
    return x * tanhl(want_softplus(x));
}

static long double want_gelu_tanh(long double x)
{
    return x * want_sigmoid(1.59576912160573071175978423973752L * (x + 0.044715L * x * x * x));
}

/* x / 2 erfc(-x / sqrt 2). The argument's rounding matters in the tail: what it leaves out is made
 * up for by the slope. */
static long double want_gelu(long double x)
{
    const long double root = 0.70710678118654752440084436210484904L;
    const long double slope = 1.12837916709551257389615890312154517L; /* 2 / sqrt pi */
    long double z = -x * root, low = fmal(-x, root, -z);
    return x / 2 * (erfcl(z) - slope * expl(-z * z) * low);
}

static long double want_expm1(long double x)
{
    return expm1l(-fabsl(x));
}

static double got_expm1(double x, bool fma)
{
    return el_expm1_down(-fabs(x), fma).high;
}

typedef struct function {
    const char *name;
    double (*got)(double x, bool fma);
    long double (*want)(long double x);
    double ulp[2]; /* without fused multiplication, and with */
    bool of_x;     /* those of x, not of the result */
} function;

static const function functions[] = {
    {"sigmoid", el_sigmoid, want_sigmoid, {2, 2}, false},
    {"silu", el_silu, want_silu, {2.25, 2}, false},
    {"tanh", el_tanh, want_tanh, {2, 2}, false},
    {"softplus", el_softplus, want_softplus, {2, 2}, false},
    {"mish", el_mish, want_mish, {2.25, 2}, false},
    {"expm1 below 0", got_expm1, want_expm1, {1.5, 1.5}, false},
    {"gelu", el_gelu, want_gelu, {7, 5}, false},
    {"gelu, tanh form", el_gelu_tanh, want_gelu_tanh, {2, 2}, true},
};

/* Of the last place of v. */
static double unit(long double v)
{
    int e;
    frexpl(v, &e);
    return v == 0 ? DBL_TRUE_MIN : ldexp(1, e - 53 < -1074 ? -1074 : e - 53);
}

/* What underflows on the way costs up to a thousand of the smallest numbers. */
static double error_at(const function *f, double x, bool fma)
{
    long double want = f->want(x), off = fabsl((long double)f->got(x, fma) - want);
    return (double)(fmaxl(off - 0x1p-1062L, 0) / unit(f->of_x ? x : want));
}

typedef struct worst {
    double ulp, x;
} worst;

static void meet(worst *w, const function *f, double x, bool fma)
{
    double e = error_at(f, x, fma);
    if (!(e <= w->ulp))
        *w = (worst){e, x};
}

/* Steps that are no multiples of anything; then powers of 2 with all kinds of mantissas. */
static void test_accuracy(const function *f, bool fma)
{
    worst w = {0, 0};
    for (double x = -4; x < 4; x += 0.000137113)
        meet(&w, f, x, fma);
    for (double x = -760; x < 760; x += 0.0217331)
        meet(&w, f, x, fma);
    for (int e = -1060; e < 20; e++)
        for (double m = 1; m < 2; m += 0.0831)
            meet(&w, f, ldexp(e % 2 ? m : -m, e), fma);
    for (double x = 36; x < 39.5; x += 0.00171)
        meet(&w, f, -x, fma);
    ok(w.ulp <= f->ulp[fma], "%s, %s, within %g ulp", f->name, fma ? "fused" : "not fused",
       f->ulp[fma]);
    printf("# %.2f at %.17g\n", w.ulp, w.x);
}

static bool same(double a, double b)
{
    return isnan(b) ? isnan(a) : a == b && signbit(a) == signbit(b);
}

/* As a kernel that computes x / (1 + exp(-x)) has it: -inf over inf is no number. */
static void test_limits(void)
{
    const double inf = (double)INFINITY, nan = (double)NAN;
    static const struct {
        const char *name;
        double (*f)(double x, bool fma);
        double at_minus, at_plus; /* infinity */
    } rows[] = {{"sigmoid", el_sigmoid, 0, 1},
                {"silu", el_silu, (double)NAN, (double)INFINITY},
                {"tanh", el_tanh, -1, 1},
                {"softplus", el_softplus, 0, (double)INFINITY},
                {"mish", el_mish, (double)NAN, (double)INFINITY},
                {"gelu", el_gelu, (double)NAN, (double)INFINITY},
                {"gelu_tanh", el_gelu_tanh, (double)NAN, (double)INFINITY}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int fma = 0; fma < 2; fma++)
            ok(same(rows[i].f(-inf, fma), rows[i].at_minus) &&
                   same(rows[i].f(inf, fma), rows[i].at_plus) && isnan(rows[i].f(nan, fma)) &&
                   isnan(rows[i].f(-nan, fma)),
               "%s of what is no number, %s", rows[i].name, fma ? "fused" : "not fused");
    ok(same(el_tanh(-0.0, true), -0.0) && same(el_tanh(0, true), 0) &&
           same(el_gelu(-0.0, true), -0.0) && same(el_silu(-0.0, true), -0.0),
       "the sign of zero stays");
    ok(el_gelu(1e300, true) == 1e300 && el_silu(-1e300, true) == 0 && el_tanh(1e300, true) == 1 &&
           el_softplus(1e300, true) == 1e300 && el_sigmoid(-1e300, true) == 0,
       "far out");
}

int main(void)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        for (int fma = 0; fma < 2; fma++)
            test_accuracy(&functions[i], fma);
    test_limits();
    return tap_done();
}
