/* f16 and bf16 lanes to f32 and back. */
#ifndef HARNESS_PTX_HALF_H
#define HARNESS_PTX_HALF_H

#include "base/dtype.h"
#include "harness/ptx/fp.h"

#ifdef __F16C__
#include <immintrin.h>
#endif

/* The f16 or bf16 nearest to x in rounding mode `mode`; NaN is 0x7fff. */
static inline u16 half_round(f32 x, bool bf, int mode)
{
    u32 bits = fp_bits(x), m = bits & 0x7fffffff, sign = bits >> 31, h, rest, half;
    int e = (int)(m >> 23) - 127;
    if (x != x)
        return 0x7fff;
    if (bf) {
        h = m >> 16, rest = m & 0xffff, half = 0x8000;
    } else if (m >= 0x7f800000) {
        h = 0x7c00, rest = 0, half = 1;
    } else if (e > 15) {
        h = 0x7bff, rest = 2, half = 1;
    } else if (e >= -14) {
        h = (u32)(e + 15) << 10 | (m & 0x7fffff) >> 13, rest = m & 0x1fff, half = 0x1000;
    } else {
        int shift = -1 - e; /* of the 24-bit significand; units of 2^-24 */
        u32 s = (m & 0x7fffff) | (m >> 23 ? 0x800000 : 0);
        h = shift > 24 ? 0 : s >> shift;
        half = shift > 24 ? 2 : 1u << (shift - 1);
        rest = shift > 24 ? s != 0 : s & ((1u << shift) - 1);
    }
    bool up = mode == PTX_RN   ? rest > half || (rest == half && (h & 1))
              : mode == PTX_RM ? sign && rest
              : mode == PTX_RP ? !sign && rest
                               : false;
    return (u16)(sign << 15 | (h + up));
}

/* n is a multiple of 16 in all of these. */
static inline void half_widen_f16(f32 *x, const u16 *h, int n)
{
#if defined(__AVX512F__)
    for (int k = 0; k < n; k += 16)
        _mm512_storeu_ps(x + k, _mm512_cvtph_ps(_mm256_loadu_si256((const void *)(h + k))));
#elif defined(__F16C__)
    for (int k = 0; k < n; k += 8)
        _mm256_storeu_ps(x + k, _mm256_cvtph_ps(_mm_loadu_si128((const void *)(h + k))));
#else
    for (int k = 0; k < n; k++)
        x[k] = (f32)ws_f16_to_f64(h[k]);
#endif
}

static inline void half_widen_bf16(f32 *x, const u16 *h, int n)
{
    for (int k = 0; k < n; k++)
        x[k] = fp_of_bits((u32)h[k] << 16);
}

static inline void half_narrow_f16(u16 *h, const f32 *x, int n)
{
#if defined(__AVX512F__)
    const __m512 nan = _mm512_castsi512_ps(_mm512_set1_epi32(0x7fffffff));
    for (int k = 0; k < n; k += 16) {
        __m512 v = _mm512_loadu_ps(x + k);
        v = _mm512_mask_mov_ps(v, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), nan);
        _mm256_storeu_si256((void *)(h + k), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    }
#elif defined(__F16C__)
    const __m256 nan = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    for (int k = 0; k < n; k += 8) {
        __m256 v = _mm256_loadu_ps(x + k);
        v = _mm256_blendv_ps(v, nan, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
        _mm_storeu_si128((void *)(h + k), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    }
#else
    for (int k = 0; k < n; k++)
        h[k] = half_round(x[k], false, PTX_RN);
#endif
}

static inline void half_narrow_bf16(u16 *h, const f32 *x, int n)
{
    for (int k = 0; k < n; k++) {
        u32 b = fp_bits(x[k]);
        h[k] = (u16)(x[k] != x[k] ? 0x7fff : (b + 0x7fff + (b >> 16 & 1)) >> 16);
    }
}

static inline void half_widen(f32 *x, const u16 *h, int n, bool bf)
{
    if (bf)
        half_widen_bf16(x, h, n);
    else
        half_widen_f16(x, h, n);
}

static inline void half_narrow(u16 *h, const f32 *x, int n, bool bf)
{
    if (bf)
        half_narrow_bf16(h, x, n);
    else
        half_narrow_f16(h, x, n);
}

/* f is some value rounded to nearest; `above` and `below`: the value is greater or less than f.
 * Rounded to odd instead, it can be rounded once more to a format that is two bits or more narrower
 * without double rounding (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums"). */
static inline f32 fp_round_odd(f32 f, bool above, bool below)
{
    u32 b = fp_bits(f), away = (u32)above ^ (b >> 31);
    return (above | below) & ~b & 1 ? fp_of_bits(away ? b + 1 : b - 1) : f;
}
static inline f64 fp_round_odd64(f64 f, bool above, bool below)
{
    u64 b = fp_bits64(f), away = (u64)above ^ (b >> 63);
    return (u64)(above | below) & ~b & 1 ? fp_of_bits64(away ? b + 1 : b - 1) : f;
}
/* x rounded to odd in f32 */
static inline f32 fp_narrow_odd(f64 x)
{
    f32 f = (f32)x;
    return fp_round_odd(f, x > (f64)f, x < (f64)f);
}

#endif
