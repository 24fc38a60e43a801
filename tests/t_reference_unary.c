/* Each unary function over an array, where it may run on vectors, against the same function of one
 * element; with zeros, infinities, NaN and arguments that over- and underflow; and its slope
 * against differences. */
#include "reference/ops.h"
#include "tests/tap.h"

enum { N = 1003 };

static double argument(int i)
{
    static const double special[] = {0,    -0.0,  INFINITY, -INFINITY, NAN, 1e-310, -1e-310, 1e-20,
                                     -800, 800,   1e300,    -1e300,    20,  -20,    3,       -3,
                                     40,   -40.5, 709.5,    -709.5,    88,  -88,    1,       -1};
    int n = (int)WS_COUNT(special);
    return i < n ? special[i] : (i - 500) * 0.0713 + 1e-3;
}

/* Within 8 units in the last place or `slack`, or both the same non-finite value. */
static bool agrees(double got, double want, double slack)
{
    if (isnan(want) || isinf(want))
        return isnan(want) ? isnan(got) : got == want;
    return fabs(got - want) <= 8 * 0x1p-52 * fabs(want) + slack + 0x1p-1060;
}

static ref_attrs attrs_of(bool tanh_form)
{
    return (ref_attrs){.slope = 0.01,
                       .alpha = 1.5,
                       .beta = 2,
                       .threshold = 20,
                       .exponent = 3,
                       .least = -1,
                       .most = 2,
                       .tanh_approximation = tanh_form};
}

/* The tanh form of gelu cancels where x is far below 0: it is accurate against |x| there. */
static void test_array(const ref_unary *r, bool tanh_form)
{
    const ref_attrs at = attrs_of(tanh_form);
    double x[N], y[N];
    int wrong = -1;
    for (int i = 0; i < N; i++)
        x[i] = argument(i);
    r->run(x, y, N, &at);
    for (int i = N - 1; i >= 0; i--)
        if (!agrees(y[i], r->f(x[i], &at), tanh_form ? 1e-15 * fabs(x[i]) : 0))
            wrong = i;
    if (!ok(wrong < 0, "%s of an array", r->name))
        printf("# f(%.17g): got %.17g want %.17g\n", x[wrong], y[wrong], r->f(x[wrong], &at));
}

/* Away from kinks, and where a difference is accurate. */
static void test_slope(const ref_unary *r)
{
    const ref_attrs at = attrs_of(false);
    double worst = 0;
    for (double x = 0.0173; x < 6; x += 0.37)
        for (int sign = -1; sign <= 1; sign += 2) {
            const double h = 1e-6;
            double a = sign * x, d = (r->f(a + h, &at) - r->f(a - h, &at)) / (2 * h);
            if (isfinite(d))
                worst = fmax(worst, fabs(fabs(r->df(a, &at)) - fabs(d)) / fmax(1, fabs(d)));
        }
    ok(worst < 1e-4, "slope of %s: off by %.1e", r->name, worst);
}

int main(void)
{
    for (const ref_unary *r = ref_unaries; r->name; r++) {
        test_array(r, false);
        test_slope(r);
    }
    test_array(ref_find_unary("gelu"), true);
    return tap_done();
}
