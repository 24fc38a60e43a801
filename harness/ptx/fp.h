/* Floating-point pieces that several families of handlers share. All inline: they stand in lane
 * loops. */
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

/* Whether one of 32 values is a NaN. */
static inline bool fp_any_nan(const f32 *v)
{
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask(_mm512_load_ps(v), _mm512_load_ps(v + 16), _CMP_UNORD_Q);
#elif defined(__AVX2__)
    __m256 low = _mm256_cmp_ps(_mm256_load_ps(v), _mm256_load_ps(v + 8), _CMP_UNORD_Q);
    __m256 high = _mm256_cmp_ps(_mm256_load_ps(v + 16), _mm256_load_ps(v + 24), _CMP_UNORD_Q);
    return _mm256_movemask_ps(_mm256_or_ps(low, high));
#else
    u32 any = 0;
    EACH_LANE(l) any |= v[l] != v[l];
    return any;
#endif
}

static inline void fp_canon_all(f32 *v)
{
    if (__builtin_expect(fp_any_nan(v), 0))
        EACH_LANE(l) v[l] = fp_canon(v[l]);
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

/* Arithmetic between the two runs under PTX_RN .. PTX_RP, provided that it is behind a call or
 * reads and writes memory that has escaped: the compiler knows nothing of the mode. */
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
