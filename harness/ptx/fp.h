/* Floating-point pieces that several families of handlers share. All inline: they stand in lane loops. */
#ifndef HARNESS_PTX_FP_H
#define HARNESS_PTX_FP_H

#include "harness/ptx/lanes.h"

#include <fenv.h>
#include <string.h>

static inline u32 fp_bits(f32 x)
{
    u32 b;
    memcpy(&b, &x, 4);
    return b;
}

static inline f32 fp_of_bits(u32 b)
{
    f32 x;
    memcpy(&x, &b, 4);
    return x;
}

static inline u64 fp_bits64(f64 x)
{
    u64 b;
    memcpy(&b, &x, 8);
    return b;
}

static inline f64 fp_of_bits64(u64 b)
{
    f64 x;
    memcpy(&x, &b, 8);
    return x;
}

/* The GPU's NaN in place of any other. */
static inline f32 fp_canon(f32 x)
{
    return x == x ? x : fp_of_bits(0x7fffffff);
}

/* .ftz: subnormals to zero of the same sign */
static inline f32 fp_flush(f32 x)
{
    return fp_of_bits(__builtin_fabsf(x) < 0x1p-126f ? fp_bits(x) & 0x80000000 : fp_bits(x));
}

/* .sat: to [0, 1], NaN to +0 */
static inline f32 fp_sat(f32 x)
{
    f32 y = x > 0 ? x : 0;
    return y < 1 ? y : 1;
}

/* The number when one operand is NaN; -0 < +0. */
static inline f32 fp_min(f32 a, f32 b)
{
    return (b != b) | (a < b) | ((a == b) & (fp_bits(a) >> 31)) ? a : b;
}
static inline f32 fp_max(f32 a, f32 b)
{
    return (b != b) | (a > b) | ((a == b) & ~(fp_bits(a) >> 31)) ? a : b;
}

static inline f64 fp_min64(f64 a, f64 b)
{
    return (b != b) | (a < b) | ((a == b) & (s64)(fp_bits64(a) >> 63)) ? a : b;
}
static inline f64 fp_max64(f64 a, f64 b)
{
    return (b != b) | (a > b) | ((a == b) & ~(s64)(fp_bits64(a) >> 63)) ? a : b;
}

/* 2^x to about 2^-42 relative before it is rounded to f32; exact at integers. x = n + f, |f| <= 1/2; 2^f by
 * the Taylor series of exp(f ln 2) to degree 10, whose remainder is 2e-13; n goes into the exponent. */
static inline f32 fp_ex2(f32 a)
{
    f64 x = (f64)a;
    x = x < -160 ? -160 : x > 160 ? 160 : x;
    f64 shifted = x + 0x1.8p52; /* n in the low bits */
    f64 t = (x - (shifted - 0x1.8p52)) * 0x1.62e42fefa39efp-1;
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
    f64 s = fp_of_bits64((fp_bits64(shifted) + 1023) << 52);
    return a == a ? (f32)(p * s) : fp_of_bits(0x7fffffff);
}

/* Arithmetic between the two runs under PTX_RN .. PTX_RP, provided that it is behind a call or reads and
 * writes memory that has escaped: the compiler knows nothing of the mode. */
static inline void fp_round_begin(int mode)
{
    static const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
    if (mode)
        fesetround(modes[mode]);
    __asm__ volatile("" : : : "memory");
}
static inline void fp_round_end(int mode)
{
    __asm__ volatile("" : : : "memory");
    if (mode)
        fesetround(FE_TONEAREST);
}

#endif
