#include "harness/ptx/mma.h"

#include "harness/ptx/half.h"

#include <math.h>
#include <string.h>

/* ---- one output at a time: anything goes ---- */

static inline bool has_term(const mma_tile *x, u32 row, u32 k, bool sparse)
{
    return !sparse || x->used[k] >> row & 1;
}

/* The sum before it is rounded to the type of D. */
static f64 dot_slow(const mma_tile *x, u32 row, u32 j, u32 from, u32 to, int bits, bool sparse)
{
    f64 c = (f64)x->c[j][row], plain = c, sum = 0;
    int top = x->ec[j][row];
    for (u32 k = from; k < to; k++) {
        if (!has_term(x, row, k, sparse))
            continue;
        int e = x->ea[k][row] + x->eb[j][k];
        plain += (f64)x->a[k][row] * (f64)x->b[j][k];
        top = e > top ? e : top;
    }
    if (!isfinite(plain))
        return plain;
    for (u32 k = from; k < to; k++)
        if (has_term(x, row, k, sparse))
            sum += trunc(ldexp((f64)x->a[k][row] * (f64)x->b[j][k], bits - top));
    return ldexp(sum + trunc(ldexp(c, bits - top)), top - bits);
}

/* ---- all rows of a column at once ---- */

typedef f32 v16f __attribute__((vector_size(64)));
typedef s32 v16i __attribute__((vector_size(64)));
typedef f32 v8f __attribute__((vector_size(32)));
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
enum { COARSE = 13 };

#define LOW_HALF(v)  __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7)
#define HIGH_HALF(v) __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15)
#define COLUMNS(X)   X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

static inline bool any_below(v16i a, v16i b)
{
#ifdef __AVX512F__
    return _mm512_cmplt_epi32_mask((__m512i)a, (__m512i)b);
#else
    v16i m = a < b;
    s32 any = 0;
    for (int l = 0; l < 16; l++)
        any |= m[l];
    return any;
#endif
}

/* The largest exponent of every sum. */
static inline void find_tops(const mma_tile *x, u32 from, u32 to, v16i top[MMA_N])
{
#define LOAD(j) v16i t##j = *(const v16i *)x->ec[j];
#define STEP(j) t##j = larger(t##j, e + x->eb[j][k]);
#define KEEP(j) top[j] = t##j;
    COLUMNS(LOAD)
    for (u32 k = from; k < to; k++) {
        v16i e = *(const v16i *)x->ea[k];
        COLUMNS(STEP)
    }
    COLUMNS(KEEP)
#undef LOAD
#undef STEP
#undef KEEP
}

/* At most 16 terms of every sum, cut: they fit into 32 bits. */
static inline void sum_terms(const mma_tile *x, u32 from, u32 to, const v16f scale[MMA_N],
                             v16i sum[MMA_N])
{
#define LOAD(j)                                                                                    \
    v16i s##j = {0};                                                                               \
    const v16f scale##j = scale[j];
#define STEP(j) s##j += __builtin_convertvector(a * x->b[j][k] * scale##j, v16i);
#define KEEP(j) sum[j] = s##j;
    COLUMNS(LOAD)
    for (u32 k = from; k < to; k++) {
        v16f a = *(const v16f *)x->a[k];
        COLUMNS(STEP)
    }
    COLUMNS(KEEP)
#undef LOAD
#undef STEP
#undef KEEP
}

/* Exact sums of all columns as doubles; the number of fractional bits is `bits`. */
static void dot_columns(const mma_tile *x, u32 from, u32 to, int bits, bool sparse,
                        f64 out[MMA_N][MMA_M])
{
    v16i top[MMA_N], used[MMA_N], sum[MMA_N], low = {0};
    v16f scale[MMA_N];
    v8d lo[MMA_N], hi[MMA_N];
    low += LOW;
    find_tops(x, from, to, top);
    for (u32 j = 0; j < MMA_N; j++) {
        used[j] = larger(top[j], low);
        scale[j] = (v16f)((bits + 127 - used[j]) << 23);
        v16i c = __builtin_convertvector(*(const v16f *)x->c[j] * scale[j], v16i);
        lo[j] = __builtin_convertvector(LOW_HALF(c), v8d);
        hi[j] = __builtin_convertvector(HIGH_HALF(c), v8d);
    }
    for (u32 k = from, end; k < to; k = end) {
        end = to - k > 16 ? k + 16 : to;
        sum_terms(x, k, end, scale, sum);
        for (u32 j = 0; j < MMA_N; j++) {
            lo[j] += __builtin_convertvector(LOW_HALF(sum[j]), v8d);
            hi[j] += __builtin_convertvector(HIGH_HALF(sum[j]), v8d);
        }
    }
    for (u32 j = 0; j < MMA_N; j++) {
        v8l unit_lo = (__builtin_convertvector(LOW_HALF(used[j]), v8l) + (1023 - bits)) << 52;
        v8l unit_hi = (__builtin_convertvector(HIGH_HALF(used[j]), v8l) + (1023 - bits)) << 52;
        *(v8d *)(void *)out[j] = lo[j] * (v8d)unit_lo;
        *(v8d *)(void *)(out[j] + 8) = hi[j] * (v8d)unit_hi;
        for (u32 r = 0; any_below(top[j], low) && r < MMA_M; r++)
            if (top[j][r] < LOW)
                out[j][r] = dot_slow(x, r, j, from, to, bits, sparse);
    }
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
static void step(mma_tile *x, u32 from, u32 to, int bits, const mma_rule *rule, bool plain)
{
    const bool sparse = rule->sparse;
    f64 sum[MMA_N][MMA_M] __attribute__((aligned(64)));
    if (plain)
        dot_columns(x, from, to, bits, sparse, sum);
    for (u32 j = 0; j < MMA_N; j++) {
        for (u32 r = 0; !plain && r < MMA_M; r++)
            sum[j][r] = dot_slow(x, r, j, from, to, bits, sparse);
        (rule->half ? round_f16 : round_f32)(x->d[j], sum[j]);
        for (int r = 0; !plain && r < MMA_M; r++)
            x->d[j][r] = fp_canon(x->d[j][r]);
    }
}

/* Infinity times an absent element would be NaN. */
static f64 exact_slow(const mma_tile *x, u32 row, u32 j, u32 k)
{
    f64 sum = (f64)x->c[j][row];
    for (u32 q = 0; q < k; q++)
        if (x->used[q] >> row & 1)
            sum += (f64)x->a[q][row] * (f64)x->b[j][q];
    return sum;
}

static void exact(mma_tile *x, u32 k, bool half, bool sparse)
{
    f64 sum[MMA_N][MMA_M] __attribute__((aligned(64)));
    for (u32 side = 0; side < MMA_M; side += 8) {
#define LOAD(j)                                                                                    \
    v8d s##j = __builtin_convertvector(*(const v8f *)(const void *)(x->c[j] + side), v8d);
#define STEP(j) s##j += a * (f64)x->b[j][q];
#define KEEP(j) *(v8d *)(void *)(sum[j] + side) = s##j;
        COLUMNS(LOAD)
        for (u32 q = 0; q < k; q++) {
            v8d a = __builtin_convertvector(*(const v8f *)(const void *)(x->a[q] + side), v8d);
            COLUMNS(STEP)
        }
        COLUMNS(KEEP)
#undef LOAD
#undef STEP
#undef KEEP
    }
    for (u32 j = 0; j < MMA_N; j++) {
        for (u32 r = 0; sparse && r < MMA_M; r++)
            if (!isfinite(sum[j][r]))
                sum[j][r] = exact_slow(x, r, j, k);
        if (half)
            round_f16(x->d[j], sum[j]);
        else
            for (u32 r = 0; r < MMA_M; r++)
                x->d[j][r] = fp_canon((f32)sum[j][r]);
    }
}

/* Exponents of n numbers (a multiple of 16); *top becomes the largest, 128 for infinity and NaN. */
static inline void exponents(s32 *e, const f32 *x, u32 n, s32 least, v16i *top)
{
    const v16i zero = {0}, at_least = zero + least, none = zero - 126;
    for (u32 at = 0; at < n; at += 16) {
        v16i bits = *(const v16i *)(const void *)(x + at) & 0x7fffffff, is_zero = bits == 0;
        v16i v = larger((bits >> 23) - 127, at_least);
        v = (v & ~is_zero) | (none & is_zero);
        *(v16i *)(void *)(e + at) = v;
        *top = larger(*top, v);
    }
}

static s32 largest(v16i v)
{
#ifdef __AVX512F__
    return _mm512_reduce_max_epi32((__m512i)v);
#else
    s32 top = v[0];
    for (int l = 1; l < 16; l++)
        top = v[l] > top ? v[l] : top;
    return top;
#endif
}

void mma_multiply(mma_tile *x, u32 k, const mma_rule *rule)
{
    const bool half = rule->half, coarse = rule->coarse;
    s32 least_a = mma_least_exponent(rule->a), least_b = mma_least_exponent(rule->b);
    s32 least_c = half ? -14 : -126;
    v16i none = {0}, tops[3];
    if (rule->model == PTX_MMA_EXACT) {
        exact(x, k, half, rule->sparse);
        return;
    }
    none -= 127;
    tops[0] = tops[1] = tops[2] = none;
    exponents(x->ea[0], x->a[0], k * MMA_M, least_a, &tops[0]);
    for (u32 j = 0; j < MMA_N; j++) {
        u32 n = (k + 15) & ~15u; /* what lies behind is not used, but must be a number */
        for (u32 q = k; q < n; q++)
            x->b[j][q] = 0;
        exponents(x->eb[j], x->b[j], n, least_b, &tops[1]);
    }
    exponents(x->ec[0], x->c[0], MMA_N * MMA_M, least_c, &tops[2]);
    s32 top_a = largest(tops[0]), top_b = largest(tops[1]);
    bool plain = top_a < 128 && top_b < 128 && largest(tops[2]) < 128 && top_a + top_b <= HIGH;
    bool ampere = rule->model == PTX_MMA_AMPERE;
    u32 most = rule->a == MMA_TF32 ? 4 : mma_type_bits(rule->a) <= 8 ? 16 : 8; /* Ampere's step */
    most *= rule->sparse ? 2 : 1;
    u32 stride = ampere && k > most ? most : k;
    for (u32 at = 0; at < k; at += stride) {
        step(x, at, at + stride, coarse ? COARSE : ampere ? 24 : 25, rule, plain);
        if (at + stride < k) {
            memcpy(x->c, x->d, sizeof x->c);
            tops[2] = none;
            exponents(x->ec[0], x->c[0], MMA_N * MMA_M, least_c, &tops[2]);
            plain &= largest(tops[2]) < 128;
        }
    }
    for (u32 v = 0; coarse && !half && v < MMA_N * MMA_M; v++)
        x->d[v / MMA_M][v % MMA_M] =
            fp_of_bits(fp_bits(x->d[v / MMA_M][v % MMA_M]) & ~((1u << (23 - COARSE)) - 1));
}
