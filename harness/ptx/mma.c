#include "harness/ptx/mma.h"

#include "harness/ptx/half.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    u8 bits;
    s16 least_exponent; /* of normal numbers */
} types[MMA_TYPE_COUNT] = {
    [MMA_F16] = {"f16", 16, -14},   [MMA_BF16] = {"bf16", 16, -126}, [MMA_TF32] = {"tf32", 32, -126},
    [MMA_E4M3] = {"e4m3", 8, -6},   [MMA_E5M2] = {"e5m2", 8, -14},   [MMA_F32] = {"f32", 32, -126},
    [MMA_F64] = {"f64", 64, 0},     [MMA_S8] = {"s8", 8, 0},         [MMA_U8] = {"u8", 8, 0},
    [MMA_S4] = {"s4", 4, 0},        [MMA_U4] = {"u4", 4, 0},         [MMA_B1] = {"b1", 1, 0},
    [MMA_S32] = {"s32", 32, 0},
};

mma_type mma_type_find(ws_str name)
{
    for (int t = 0; t < MMA_TYPE_COUNT; t++)
        if (ws_str_eqz(name, types[t].name))
            return (mma_type)t;
    return MMA_TYPE_COUNT;
}

u32 mma_type_bits(mma_type t)
{
    return types[t].bits;
}

static f32 widen_fp8(u32 v, u32 mantissa_bits, int bias)
{
    u32 exponent = (v & 0x7f) >> mantissa_bits, mantissa = v & ((1u << mantissa_bits) - 1);
    f32 one = (f32)(1u << mantissa_bits), x;
    if (mantissa_bits == 3 ? (v & 0x7f) == 0x7f : exponent == 31 && mantissa)
        return fp_of_bits(0x7fffffff);
    if (mantissa_bits == 2 && exponent == 31)
        x = (f32)INFINITY;
    else if (exponent)
        x = ldexpf(1 + (f32)mantissa / one, (int)exponent - bias);
    else
        x = ldexpf((f32)mantissa / one, 1 - bias);
    return v & 0x80 ? -x : x;
}

f32 mma_widen(mma_type t, u32 bits)
{
    switch (t) {
    case MMA_F16:
        return (f32)ws_f16_to_f64((u16)bits);
    case MMA_BF16:
        return fp_of_bits(bits << 16);
    case MMA_TF32: /* the low bits are not looked at */
        return fp_of_bits(bits & ~0x1fffu);
    case MMA_E4M3:
        return widen_fp8(bits, 3, 7);
    case MMA_E5M2:
        return widen_fp8(bits, 2, 15);
    default:
        return fp_of_bits(bits);
    }
}

/* ---- one output at a time: anything goes ---- */

/* The sum before it is rounded to the type of D. */
static f64 dot_slow(const mma_tile *x, u32 row, u32 j, u32 from, u32 to, int bits)
{
    f64 c = (f64)x->c[j][row], plain = c, sum = 0;
    int top = x->ec[j][row];
    for (u32 k = from; k < to; k++) {
        int e = x->ea[k][row] + x->eb[j][k];
        plain += (f64)x->a[k][row] * (f64)x->b[j][k];
        top = e > top ? e : top;
    }
    if (!isfinite(plain))
        return plain;
    for (u32 k = from; k < to; k++)
        sum += trunc(ldexp((f64)x->a[k][row] * (f64)x->b[j][k], bits - top));
    return ldexp(sum + trunc(ldexp(c, bits - top)), top - bits);
}

/* ---- all rows of a column at once ---- */

typedef f32 v16f __attribute__((vector_size(64)));
typedef s32 v16i __attribute__((vector_size(64)));
typedef s32 v8i __attribute__((vector_size(32)));
typedef s64 v8l __attribute__((vector_size(64)));
typedef f64 v8d __attribute__((vector_size(64)));

static inline v16i larger(v16i a, v16i b)
{
#ifdef __AVX512F__
    return (v16i)_mm512_max_epi32((__m512i)a, (__m512i)b);
#else
    v16i m = a > b;
    return (a & m) | (b & ~m);
#endif
}

enum { LOW = -100, HIGH = 126 }; /* exponents of products for which the vector code is right */

#define LOW_HALF(v)  __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7)
#define HIGH_HALF(v) __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15)

/* Exact sums of column j as doubles; the number of fractional bits is `bits`. */
static void dot_column(const mma_tile *x, u32 j, u32 from, u32 to, int bits, f64 out[MMA_M])
{
    v16i top = *(const v16i *)x->ec[j], zero = {0}, low = zero + LOW, sum = zero, part;
    for (u32 k = from; k < to; k++)
        top = larger(top, *(const v16i *)x->ea[k] + x->eb[j][k]);
    v16i used = larger(top, low);
    v16f scale = (v16f)((bits + 127 - used) << 23);
    f64 total[MMA_M];
    part = __builtin_convertvector(*(const v16f *)x->c[j] * scale, v16i);
    v8d lo = __builtin_convertvector(LOW_HALF(part), v8d), hi = __builtin_convertvector(HIGH_HALF(part), v8d);
    for (u32 k = from; k < to;) {
        sum = zero;
        for (u32 end = to - k > 16 ? k + 16 : to; k < end; k++) /* 16 of them fit into 32 bits */
            sum += __builtin_convertvector(*(const v16f *)x->a[k] * x->b[j][k] * scale, v16i);
        lo += __builtin_convertvector(LOW_HALF(sum), v8d);
        hi += __builtin_convertvector(HIGH_HALF(sum), v8d);
    }
    v8l unit_lo = (__builtin_convertvector(LOW_HALF(used), v8l) + (1023 - bits)) << 52;
    v8l unit_hi = (__builtin_convertvector(HIGH_HALF(used), v8l) + (1023 - bits)) << 52;
    lo *= (v8d)unit_lo;
    hi *= (v8d)unit_hi;
    memcpy(total, &lo, sizeof lo);
    memcpy(total + 8, &hi, sizeof hi);
    memcpy(out, total, sizeof total);
    v16i deep = top < low;
    s32 any = 0;
    for (int r = 0; r < MMA_M; r++)
        any |= deep[r];
    for (u32 r = 0; any && r < MMA_M; r++)
        if (deep[r])
            out[r] = dot_slow(x, r, j, from, to, bits);
}

/* To zero; beyond the largest f32 to infinity. */
static void round_f32(f32 *d, const f64 *x)
{
    for (int r = 0; r < MMA_M; r++) {
        f32 f = (f32)x[r];
        u32 far = __builtin_fabs((f64)f) > __builtin_fabs(x[r]) && __builtin_fabs(x[r]) < 0x1p128;
        d[r] = fp_of_bits(fp_bits(f) - far);
    }
}

static void round_f16(f32 *d, const f64 *x)
{
    f32 odd[MMA_M];
    u16 h[MMA_M];
    for (int r = 0; r < MMA_M; r++)
        odd[r] = fp_narrow_odd(x[r]);
    half_narrow_f16(h, odd, MMA_M);
    half_widen_f16(d, h, MMA_M);
}

/* One step of the hardware. */
static void step(mma_tile *x, u32 from, u32 to, int bits, bool half, bool plain)
{
    for (u32 j = 0; j < MMA_N; j++) {
        f64 sum[MMA_M] __attribute__((aligned(64)));
        if (plain)
            dot_column(x, j, from, to, bits, sum);
        else
            for (u32 r = 0; r < MMA_M; r++)
                sum[r] = dot_slow(x, r, j, from, to, bits);
        (half ? round_f16 : round_f32)(x->d[j], sum);
        for (int r = 0; r < MMA_M; r++)
            x->d[j][r] = fp_canon(x->d[j][r]);
    }
}

static void exact(mma_tile *x, u32 k, bool half)
{
    for (u32 j = 0; j < MMA_N; j++) {
        f64 sum[MMA_M];
        for (u32 r = 0; r < MMA_M; r++)
            sum[r] = (f64)x->c[j][r];
        for (u32 q = 0; q < k; q++)
            for (u32 r = 0; r < MMA_M; r++)
                sum[r] += (f64)x->a[q][r] * (f64)x->b[j][q];
        if (half)
            round_f16(x->d[j], sum);
        else
            for (u32 r = 0; r < MMA_M; r++)
                x->d[j][r] = fp_canon((f32)sum[r]);
    }
}

/* Exponents of n numbers (a multiple of 16); the largest, 128 for infinity and NaN. */
static s32 exponents(s32 *e, const f32 *x, u32 n, s32 least)
{
    s32 top[16];
    for (int l = 0; l < 16; l++)
        top[l] = -127;
    for (u32 at = 0; at < n; at += 16)
        for (u32 l = 0; l < 16; l++) {
            u32 magnitude = fp_bits(x[at + l]) & 0x7fffffff;
            s32 v = (s32)(magnitude >> 23) - 127;
            v = v > least ? v : least;
            v = magnitude ? v : -126;
            top[l] = v > top[l] ? v : top[l];
            e[at + l] = v;
        }
    for (int l = 1; l < 16; l++)
        top[0] = top[l] > top[0] ? top[l] : top[0];
    return top[0];
}

void mma_multiply(mma_tile *x, u32 k, mma_type t, bool half, int model, bool sparse)
{
    s32 least = types[t].least_exponent, top_b = -127;
    if (model == PTX_MMA_EXACT) {
        exact(x, k, half);
        return;
    }
    s32 top_a = exponents(x->ea[0], x->a[0], k * MMA_M, least);
    for (u32 j = 0; j < MMA_N; j++) {
        u32 n = (k + 15) & ~15u; /* what lies behind is not used, but must be a number */
        for (u32 q = k; q < n; q++)
            x->b[j][q] = 0;
        s32 top = exponents(x->eb[j], x->b[j], n, least);
        top_b = top > top_b ? top : top_b;
    }
    s32 top_c = exponents(x->ec[0], x->c[0], MMA_N * MMA_M, half ? -14 : -126);
    bool plain = top_a < 128 && top_b < 128 && top_c < 128 && top_a + top_b <= HIGH;
    bool ampere = model == PTX_MMA_AMPERE;
    u32 dense = sparse ? k / 2 : k, most = t == MMA_TF32 ? 4 : types[t].bits == 8 ? 16 : 8;
    u32 stride = ampere && dense > most ? k / (dense / most) : k;
    for (u32 at = 0; at < k; at += stride) {
        step(x, at, at + stride, ampere ? 24 : 25, half, plain);
        if (at + stride < k) {
            memcpy(x->c, x->d, sizeof x->c);
            top_c = exponents(x->ec[0], x->c[0], MMA_N * MMA_M, half ? -14 : -126);
            plain &= top_c < 128;
        }
    }
}
