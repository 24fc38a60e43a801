/* Functions of exp(x) for loops over vectors: no branch, no table, no call, at most one division
 * each. Over all arguments they are within 2 ulp of double (without fused multiplication 2.25),
 * gelu within 5 (7); its tanh form within 2 ulp of x, as its argument is a rounded cubic.
 * tests/t_reference_elementary.c checks that against long double.
 *
 * exp as in Cephes and fdlibm: x = k ln 2 + r with ln 2 in two parts, |r| <= ln 2 / 2, and a
 * polynomial. Those here, and the one of gelu, are minimax fits (Remez) of the functions that their
 * comments name. `fma` is constant in every loop: the CPU has the instruction. */
#ifndef REFERENCE_ELEMENTARY_H
#define REFERENCE_ELEMENTARY_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define REF_INLINE static inline __attribute__((always_inline))

/* a b + c */
REF_INLINE double el_madd(double a, double b, double c, bool fma)
{
    return fma ? __builtin_fma(a, b, c) : a * b + c;
}

/* sum c[i] x^i of n > 1 terms, even and odd ones apart, so that two chains run side by side. */
REF_INLINE double el_poly(const double *c, int n, double x, bool fma)
{
    double square = x * x, high = c[n - 1], low = c[n - 2];
    for (int i = n - 3; i >= 0; i -= 2) {
        high = el_madd(high, square, c[i], fma);
        if (i > 0)
            low = el_madd(low, square, c[i - 1], fma);
    }
    return n % 2 ? el_madd(low, x, high, fma) : el_madd(high, x, low, fma);
}

/* x^2 - square, exactly, for |x| < 1e150. */
REF_INLINE double el_square_low(double x, double square, bool fma)
{
    if (fma)
        return __builtin_fma(x, x, -square);
    double split = 134217729.0 * x, high = split - (split - x), low = x - high; /* Veltkamp */
    return ((high * high - square) + 2 * high * low) + low * low;
}

/* exp(x) = 2^k (1 + p) for -1100 <= x <= 0 or NaN, |p| < 0.42. */
typedef struct el_parts {
    double p;
    int64_t k;
} el_parts;

REF_INLINE el_parts el_reduce(double x, bool fma)
{
    /* (exp(r) - 1 - r) / r^2 within 2^-56 of exp(r) */
    static const double c[] = {0x1.0000000000001p-1,  0x1.5555555555558p-3,  0x1.5555555553d62p-5,
                               0x1.111111110f803p-7,  0x1.6c16c1788c44dp-10, 0x1.a01a01b00c2c6p-13,
                               0x1.a019b90bc3fbdp-16, 0x1.71ddf6b3f10d1p-19, 0x1.289186d6aea07p-22,
                               0x1.af632ad6abee8p-26};
    const double log2e = 0x1.71547652b82fep0, rounder = 0x1.8p52; /* its last bits: an integer */
    const double ln2_high = 0x1.62e42fee00000p-1, ln2_low = 0x1.a39ef35793c76p-33;
    double shifted = el_madd(x, log2e, rounder, fma), n = shifted - rounder;
    double high = el_madd(n, -ln2_high, x, fma), r = el_madd(n, -ln2_low, high, fma);
    el_parts e = {.p = el_madd(r * r, el_poly(c, 10, r, fma), r, fma)};
    int64_t bits, zero;
    memcpy(&bits, &shifted, sizeof bits);
    memcpy(&zero, &rounder, sizeof zero);
    e.k = bits - zero;
    return e;
}

/* 2^k for -1023 < k < 1024. */
REF_INLINE double el_power_of_2(int64_t k)
{
    int64_t bits = (int64_t)((uint64_t)(k + 1023) << 52);
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* x, but no less than `least`; NaN stays. */
REF_INLINE double el_at_least(double x, double least)
{
    return x < least ? least : x;
}

/* a where x has the sign bit, else b. Of bits, as compilers turn a conditional expression under a
 * division into two divisions. */
REF_INLINE double el_below_0(double x, double a, double b)
{
    uint64_t bits, of_a, of_b;
    memcpy(&bits, &x, sizeof bits);
    memcpy(&of_a, &a, sizeof of_a);
    memcpy(&of_b, &b, sizeof of_b);
    uint64_t mask = -(bits >> 63), chosen = (of_a & mask) | (of_b & ~mask);
    memcpy(&x, &chosen, sizeof x);
    return x;
}

/* A value and what its last rounding left out. */
typedef struct el_pair {
    double high, low;
} el_pair;

/* a + b for |a| >= |b|, exactly. */
REF_INLINE el_pair el_sum(double a, double b)
{
    double high = a + b;
    return (el_pair){high, (a - high) + b};
}

/* x, but no more than `most`; NaN stays. */
REF_INLINE double el_at_most(double x, double most)
{
    return x > most ? most : x;
}

/* exp(x) for -1100 <= x <= 0 or NaN, underflow included: there without a low part. */
REF_INLINE el_pair el_exp_of(double x, bool fma)
{
    el_parts e = el_reduce(x, fma);
    double scale = el_power_of_2(e.k + 600);
    el_pair z = el_sum(scale, scale * e.p);
    return (el_pair){z.high * 0x1p-600, z.low * 0x1p-600};
}

/* exp(x) for x <= 0 */
REF_INLINE el_pair el_exp_down(double x, bool fma)
{
    return el_exp_of(el_at_least(x, -746), fma);
}

/* exp(x) - 1 for x <= 0. */
REF_INLINE el_pair el_expm1_down(double x, bool fma)
{
    el_parts e = el_reduce(el_at_least(x, -60), fma);
    double scale = el_power_of_2(e.k);
    return el_sum(scale - 1, scale * e.p);
}

/* log(1 + x) for 0 <= x <= 1: 2 atanh(s), s = x / (2 + x). The slope, (1 - s) / (1 + s), is for
 * x.low alone, and need not be exact. */
REF_INLINE double el_log1p_unit(el_pair x, bool fma)
{
    /* (atanh(s) / s - 1) / s^2 as a polynomial in s^2 <= 1/9, within 2^-57 of atanh(s) / s */
    static const double c[] = {0x1.5555555555555p-2, 0x1.999999999a454p-3, 0x1.24924923cd49dp-3,
                               0x1.c71c7276576a0p-4, 0x1.745cefc510a0dp-4, 0x1.3b18ca97e8910p-4,
                               0x1.10ab064cde48dp-4, 0x1.eba9fab67daa7p-5, 0x1.67ff4ac8afe27p-5,
                               0x1.4b857a4327b28p-4};
    el_pair d = el_sum(2, x.high);
    double s = x.high / d.high, square = s * s, slope = 1 - 2 * s + 2 * square;
    double low = x.low * slope - s * d.low * (1 - s); /* 1 - s = 2 / d */
    return 2 * s + el_madd(2 * s * square, el_poly(c, 10, square, fma), low, fma);
}

/* 1 / (1 + exp(-x)) */
REF_INLINE el_pair el_logistic(double x, bool fma)
{
    el_pair z = el_exp_down(-fabs(x), fma), d = el_sum(1, z.high);
    double top = el_below_0(x, z.high, 1), top_low = el_below_0(x, z.low, 0), q = top / d.high;
    double inverse = el_below_0(x, 1 - q, q); /* of d */
    return (el_pair){q, (top_low - q * (d.low + z.low)) * inverse};
}

REF_INLINE double el_sigmoid(double x, bool fma)
{
    el_pair q = el_logistic(x, fma);
    return q.high + q.low;
}

REF_INLINE double el_silu(double x, bool fma)
{
    el_pair q = el_logistic(x, fma);
    return el_madd(x, q.high, el_at_most(x, 1e300) * q.low, fma); /* inf * 0 is no number */
}

/* -m / (m + 2), m = exp(-2 |x|) - 1 */
REF_INLINE double el_tanh(double x, bool fma)
{
    el_pair m = el_expm1_down(-2 * fabs(x), fma), d = el_sum(2, m.high);
    double q = m.high / d.high, inverse = 0.5 - 0.5 * q; /* of d */
    return copysign(q + (m.low - q * (d.low + m.low)) * inverse, x);
}

/* log(1 + exp(x)) */
REF_INLINE double el_softplus(double x, bool fma)
{
    return (x > 0 ? x : 0) + el_log1p_unit(el_exp_down(-fabs(x), fma), fma);
}

/* x tanh(log(1 + exp(x))), a quotient of polynomials in z = exp(-|x|) */
REF_INLINE double el_mish(double x, bool fma)
{
    el_pair z = el_exp_down(-fabs(x), fma);
    double square = z.high * z.high;
    el_pair top = el_sum(el_below_0(x, 2 * z.high, 1), el_below_0(x, square, 2 * z.high));
    top.low += el_below_0(x, 2 * z.high + 2, 2) * z.low;
    el_pair d = el_sum(el_below_0(x, 2, top.high), el_below_0(x, top.high, 2 * square));
    double q = top.high / d.high,
           inverse = el_below_0(x, 0.5 - 0.5 * q, q - 0.7 * z.high * q); /* of d, about */
    double low = (top.low - q * (d.low + top.low)) * inverse;
    return el_madd(x, q, el_at_most(x, 1e300) * low, fma);
}

/* x / 2 (1 + tanh(u)) = x / (1 + exp(-2 u)) */
REF_INLINE double el_gelu_tanh(double x, bool fma)
{
    const double twice_sqrt_2_pi = 1.59576912160573071176;
    return x * el_sigmoid(twice_sqrt_2_pi * (x * el_madd(0.044715 * x, x, 1, fma)), fma);
}

/* g(s) = exp(s^2 / 2) P(X < -s) of a normal X, 0 <= s <= 39. It decays as 1 / s: with a = 5.5 and
 * t = (s - a) / (s + a), (s + a) g(s) is a polynomial p(t). What rounding 1 / (s + a) and t leaves
 * out is made up for to first order. */
REF_INLINE el_pair el_normal_tail(double s, bool fma)
{
    /* within 2^-57 of p */
    static const double c[] = {
        0x1.8c2b8893b5c8dp-1,  -0x1.5ed05c7e41a2ep-1,  0x1.1239b3f8c06dap-1,
        -0x1.77dbb5cdda96cp-2, 0x1.be33e6ee995efp-3,   -0x1.c15806fa4913bp-4,
        0x1.71707b5751f75p-5,  -0x1.c83edf43365d0p-7,  0x1.4034e561ceb21p-9,
        0x1.1ab345dd70d47p-12, -0x1.544962c12077dp-12, 0x1.2b891ccb926c3p-14,
        0x1.11cdc7300a3d1p-16, -0x1.96a48e06f2f0fp-17, 0x1.df44754f70171p-22,
        0x1.8e527e9abb5bap-20, -0x1.1f857d9836927p-22, -0x1.7d623cef3db0dp-23,
        0x1.afa6ac9e07ba7p-25, 0x1.8a1a614c34dd3p-26,  -0x1.8472b21d04945p-28,
        -0x1.6295d673cbfbbp-29};
    static const double slope_of_p[] = {-0.65312, 1.09708, -1.565, 1.10315}; /* to 5 % */
    const double a = 5.5;
    el_pair d = el_sum(a, s);
    double inverse = 1 / d.high, t = el_madd(-2 * a, inverse, 1, fma);
    double left = el_madd(-d.high, inverse, 1, fma) - d.low * inverse; /* of 1 - d inverse */
    double of_t = el_madd(-2 * a, inverse, 1 - t, fma) - 2 * a * inverse * left;
    double p = el_poly(c + 4, 18, t, fma), slope = el_poly(slope_of_p, 4, t, fma);
    /* even and odd terms of this size would cancel: one chain */
    p = el_madd(el_madd(p, t, c[3], fma), t, c[2], fma);
    p = el_madd(el_madd(p, t, c[1], fma), t, c[0], fma);
    double g = inverse * p;
    return (el_pair){g, el_madd(g, left, inverse * slope * of_t, fma)};
}

/* x P(X < x) */
REF_INLINE double el_gelu(double x, bool fma)
{
    const double far = 39; /* exp(-far^2 / 2) is 0 */
    double s = el_at_most(fabs(x), far), square = s * s, part = el_at_most(x, far);
    double z = el_exp_of(-0.5 * square, fma).high;
    el_pair g = el_normal_tail(s, fma);
    double xz = part * z, of_xz = -0.5 * el_square_low(s, square, fma) * xz;
    double tail = el_madd(xz, g.high, el_madd(xz, g.low, of_xz * g.high, fma), fma);
    return x < 0 ? tail : x - tail;
}

#endif
