/* Elementary functions of f32 lanes, computed in double well beyond the precision of f32 and
 * rounded once. Straight-line code, so that lane loops vectorise. */
#ifndef HARNESS_PTX_FPMATH_H
#define HARNESS_PTX_FPMATH_H

#include "harness/ptx/fp.h"

#include <math.h>

#define FP_MAGIC 0x1.8p52 /* adding it leaves the nearest integer in the low bits */

/* 2^x for |x| <= 1000, relative error 2e-13, exact at integers. x = n + f, |f| <= 1/2; 2^f by the
 * Taylor series of exp(f ln 2) to degree 10, n goes into the exponent. */
static inline f64 fp_exp2(f64 x)
{
    f64 shifted = x + FP_MAGIC;
    f64 t = (x - (shifted - FP_MAGIC)) * 0x1.62e42fefa39efp-1;
    f64 p = 0x1.27e4fb7789f5cp-22; /* 1/10! */
    p = __builtin_fma(p, t, 0x1.71de3a556c734p-19);
    p = __builtin_fma(p, t, 0x1.a01a01a01a01ap-16);
    p = __builtin_fma(p, t, 0x1.a01a01a01a01ap-13);
    p = __builtin_fma(p, t, 0x1.6c16c16c16c17p-10);
    p = __builtin_fma(p, t, 0x1.1111111111111p-7);
    p = __builtin_fma(p, t, 0x1.5555555555555p-5);
    p = __builtin_fma(p, t, 0x1.5555555555555p-3);
    p = __builtin_fma(p, t, 0.5);
    p = __builtin_fma(p, t, 1);
    p = __builtin_fma(p, t, 1);
    return p * fp_of_bits64((fp_bits64(shifted) + 1023) << 52);
}

/* In f32, relative error 2^-23.7, exact at integers (the ISA allows 2^-22.5). x = n + f as above; (2^f - 1) / f by the
 * polynomial that interpolates it at the six Chebyshev nodes. 2^n is applied in halves, so that results below the
 * normal range are rounded once. */
static inline f32 fp_ex2(f32 a)
{
    f32 x = a < -160 ? -160 : a > 160 ? 160 : a, shifted = x + 0x1.8p23f;
    f32 f = x - (shifted - 0x1.8p23f), p = 0x1.44138ap-13f;
    s32 n = (s32)(fp_bits(shifted) - fp_bits(0x1.8p23f)), half = n >> 1;
    p = __builtin_fmaf(p, f, 0x1.5f089p-10f);
    p = __builtin_fmaf(p, f, 0x1.3b2a54p-7f);
    p = __builtin_fmaf(p, f, 0x1.c6af6cp-5f);
    p = __builtin_fmaf(p, f, 0x1.ebfbep-3f);
    p = __builtin_fmaf(p, f, 0x1.62e43p-1f);
    p = __builtin_fmaf(p, f, 1);
    f32 r = p * fp_of_bits((u32)(half + 127) << 23) * fp_of_bits((u32)(n - half + 127) << 23);
    return a == a ? r : fp_of_bits(0x7fffffff);
}

/* a = m 2^e with m in [sqrt(1/2), sqrt(2)); log2(m) = 2 / ln 2 atanh(s), s = (m - 1) / (m + 1), |s|
 * < 0.172. */
static inline f32 fp_lg2(f32 a)
{
    u64 b = fp_bits64((f64)a);
    s64 e = (s64)(b - 0x3fe6a09e667f3bcd) >> 52;
    f64 m = fp_of_bits64(b - ((u64)e << 52)), s = (m - 1) / (m + 1), z = s * s;
    f64 p = 1.0 / 17;
    p = __builtin_fma(p, z, 1.0 / 15);
    p = __builtin_fma(p, z, 1.0 / 13);
    p = __builtin_fma(p, z, 1.0 / 11);
    p = __builtin_fma(p, z, 1.0 / 9);
    p = __builtin_fma(p, z, 1.0 / 7);
    p = __builtin_fma(p, z, 1.0 / 5);
    p = __builtin_fma(p, z, 1.0 / 3);
    p = __builtin_fma(p, z, 1);
    f64 whole = fp_of_bits64(fp_bits64(FP_MAGIC) + (u64)e) - FP_MAGIC;
    f32 r = (f32)__builtin_fma(s * p, 0x1.71547652b82fep1, whole);
    r = a == INFINITY ? a : r;
    r = a == 0 ? -INFINITY : r;
    return a >= 0 ? r : fp_of_bits(0x7fffffff);
}

/* (t - 1) / (t + 1) with t = e^2|a|; near 0, where that cancels, the Taylor series. */
static inline f32 fp_tanh(f32 a)
{
    f64 x = (f64)__builtin_fabsf(a), z = x * x;
    f64 t = fp_exp2((x < 20 ? x : 20) * 0x1.71547652b82fep1);
    f64 p = 62.0 / 2835;
    p = __builtin_fma(p, z, -17.0 / 315);
    p = __builtin_fma(p, z, 2.0 / 15);
    p = __builtin_fma(p, z, -1.0 / 3);
    p = __builtin_fma(p * z, x, x);
    f64 r = x < 0x1p-5 ? p : (t - 1) / (t + 1);
    return a == a ? __builtin_copysignf((f32)r, a) : fp_of_bits(0x7fffffff);
}

/* sin(a + quarter pi/2) for |a| <= FP_TRIG_MAX: the nearest multiple k of pi/2 is taken off in two
 * parts; Taylor series on [-pi/4, pi/4]. */
#define FP_TRIG_MAX 0x1p20f
static inline f32 fp_sine(f32 a, u32 quarter)
{
    f64 x = (f64)a, shifted = __builtin_fma(x, 0x1.45f306dc9c883p-1, FP_MAGIC),
        k = shifted - FP_MAGIC;
    f64 r = __builtin_fma(k, -0x1.1a62633145c07p-54, __builtin_fma(k, -0x1.921fb54442d18p0, x)),
        z = r * r;
    u64 q = fp_bits64(shifted) + quarter;
    f64 s = 0x1.6124613a86d09p-33; /* 1/13! */
    s = __builtin_fma(s, z, -0x1.ae64567f544e4p-26);
    s = __builtin_fma(s, z, 0x1.71de3a556c734p-19);
    s = __builtin_fma(s, z, -0x1.a01a01a01a01ap-13);
    s = __builtin_fma(s, z, 0x1.1111111111111p-7);
    s = __builtin_fma(s, z, -0x1.5555555555555p-3);
    s = __builtin_fma(s * z, r, r);
    f64 c = -0x1.93974a8c07c9dp-37; /* -1/14! */
    c = __builtin_fma(c, z, 0x1.1eed8eff8d898p-29);
    c = __builtin_fma(c, z, -0x1.27e4fb7789f5cp-22);
    c = __builtin_fma(c, z, 0x1.a01a01a01a01ap-16);
    c = __builtin_fma(c, z, -0x1.6c16c16c16c17p-10);
    c = __builtin_fma(c, z, 0x1.5555555555555p-5);
    c = __builtin_fma(c, z, -0.5);
    c = __builtin_fma(c, z, 1);
    f64 v = q & 1 ? c : s;
    return (f32)(q & 2 ? -v : v);
}

#endif
