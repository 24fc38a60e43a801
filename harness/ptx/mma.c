#include "harness/ptx/mma.h"

#include "harness/ptx/half.h"

#include <math.h>
#include <string.h>

/* Exponents of factors are stored with IEEE's bias, so those of products have twice that; the tops
 * of sums, too. */
enum { BIAS = 254 };
enum { LOW = BIAS - 100 };  /* the least top for which the vector code is right */
enum { HIGH = BIAS + 126 }; /* the largest exponent of products for which it is */
enum { COARSE = 13 };

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
        int e = x->ea[k / 2][row][k % 2] + x->eb[j][k];
        plain += (f64)x->a[k][row] * (f64)x->b[j][k];
        top = e > top ? e : top;
    }
    if (!isfinite(plain))
        return plain;
    top -= BIAS;
    for (u32 k = from; k < to; k++)
        if (has_term(x, row, k, sparse))
            sum += trunc(ldexp((f64)x->a[k][row] * (f64)x->b[j][k], bits - top));
    return ldexp(sum + trunc(ldexp(c, bits - top)), top - bits);
}

/* ---- vectors: rows of a column ---- */

#ifdef __AVX512BW__
enum { LANES = 16 };
#define COLUMNS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
enum { GROUP = 8 }; /* that many columns at once: accumulators stay in registers */
#else
enum { LANES = 8 };
#define COLUMNS(X) X(0) X(1) X(2) X(3)
enum { GROUP = 4 };
#endif
typedef f32 vf __attribute__((vector_size(4 * LANES), may_alias));
typedef s32 vi __attribute__((vector_size(4 * LANES), may_alias));
typedef u32 vu __attribute__((vector_size(4 * LANES), may_alias));
typedef s16 vh __attribute__((vector_size(4 * LANES), may_alias));
typedef s16 narrow __attribute__((vector_size(2 * LANES), may_alias));
typedef f32 v8f __attribute__((vector_size(32), may_alias));
typedef s32 pair __attribute__((may_alias)); /* of exponents */
typedef f64 v8d __attribute__((vector_size(64), may_alias));

#define INLINED  static inline __attribute__((always_inline)) /* once for each kind of step */
#define AT(T, p) (*(T *)(void *)(p))
#define CONST(T, p) (*(const T *)(const void *)(p))

static inline vi larger(vi a, vi b)
{
#if defined __AVX512BW__
    return (vi)_mm512_max_epi32((__m512i)a, (__m512i)b);
#elif defined __AVX2__
    return (vi)_mm256_max_epi32((__m256i)a, (__m256i)b);
#else
    vi m = a > b;
    return (a & m) | (b & ~m);
#endif
}

static inline vh larger16(vh a, vh b)
{
#if defined __AVX512BW__
    return (vh)_mm512_max_epi16((__m512i)a, (__m512i)b);
#elif defined __AVX2__
    return (vh)_mm256_max_epi16((__m256i)a, (__m256i)b);
#else
    vh m = a > b;
    return (a & m) | (b & ~m);
#endif
}

/* Whether a lane is negative. */
static inline bool any_sign(vi v)
{
#if defined __AVX512BW__
    return _mm512_movepi32_mask((__m512i)v);
#elif defined __AVX2__
    return _mm256_movemask_ps((__m256)v);
#else
    s32 any = 0;
    for (int l = 0; l < LANES; l++)
        any |= v[l];
    return any < 0;
#endif
}

/* A sum as f32, cut; or, for `odd`, with its lowest bit set where it is cut: see fp_round_odd. */
static inline vf narrow_sum(vi sum, bool odd)
{
#ifdef __AVX512BW__
    vf f = (vf)_mm512_cvt_roundepi32_ps((__m512i)sum, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
    return odd ? (vf)((vi)f | ((__builtin_convertvector(f, vi) != sum) & 1)) : f;
#else
    const vf zero = {0}, most = zero + 0x1.fffffep30f;
    vf f = __builtin_convertvector(sum, vf);
    vi beyond = f > most;
    f = (vf)(((vi)f & ~beyond) | ((vi)most & beyond));
    vu sign = (vu)(sum >> 31), back = (vu)__builtin_convertvector(f, vi);
    vi rest = (vi)(((vu)sum ^ sign) - (back ^ sign)); /* of the magnitudes */
    vi cut = (vi)f + (rest >> 31), is_cut = rest != 0;
    return odd ? (vf)(cut | (is_cut & 1)) : (vf)cut;
#endif
}

/* LANES numbers to f16 and back. */
static inline void half_round_trip(f32 *d)
{
    u16 h[16];
    half_narrow_f16(h, d, LANES);
    half_widen_f16(d, h, LANES);
}

/* The largest exponents of a group of columns of LANES rows. */
INLINED void find_tops(const mma_tile *x, u32 from, u32 to, u32 row, u32 column,
                             vi top[GROUP])
{
    const vi none = {0};
#define LOAD(j) vh t##j = {0};
#define STEP(j) t##j = larger16(t##j, e + (vh)(none + CONST(pair, &x->eb[column + j][k])));
#define KEEP(j)                                                                                    \
    top[j] = larger(larger((vi)t##j & 0xffff, (vi)t##j >> 16), CONST(vi, &x->ec[column + j][row]));
    COLUMNS(LOAD)
    for (u32 k = from; k < to; k += 2) {
        vh e = CONST(vh, x->ea[k / 2][row]);
        COLUMNS(STEP)
    }
    COLUMNS(KEEP)
#undef LOAD
#undef STEP
#undef KEEP
}

/* At most 16 terms of every sum, cut: they fit into 32 bits. */
INLINED void sum_terms(const mma_tile *x, u32 from, u32 to, u32 row, u32 column,
                             const vf scale[GROUP], vi sum[GROUP])
{
#define LOAD(j)                                                                                    \
    vi s##j = {0};                                                                                 \
    const vf scale##j = scale[j];
#define STEP(j) s##j += __builtin_convertvector(a * x->b[column + j][k] * scale##j, vi);
#define KEEP(j) sum[j] = s##j;
    COLUMNS(LOAD)
    for (u32 k = from; k < to; k++) {
        vf a = CONST(vf, &x->a[k][row]);
        COLUMNS(STEP)
    }
    COLUMNS(KEEP)
#undef LOAD
#undef STEP
#undef KEEP
}

/* d for a group of columns of LANES rows. Sets *low where the exponents are too low for this, and
 * *over where a sum does not fit into 32 bits. */
INLINED void dot_group(mma_tile *x, u32 from, u32 to, int bits, bool half, u32 row,
                             u32 column, vi *low, vi *over)
{
    const vi zero = {0}, least = zero + LOW;
    vi top[GROUP], sum[GROUP], part[GROUP];
    vf scale[GROUP];
    find_tops(x, from, to, row, column, top);
    for (u32 j = 0; j < GROUP; j++) {
        *low |= top[j] - least;
        scale[j] = (vf)((bits + 127 + BIAS - larger(top[j], least)) << 23);
        sum[j] = __builtin_convertvector(CONST(vf, &x->c[column + j][row]) * scale[j], vi);
    }
    for (u32 k = from, end; k < to; k = end) {
        end = to - k > 16 ? k + 16 : to;
        sum_terms(x, k, end, row, column, scale, part);
        for (u32 j = 0; j < GROUP; j++) {
            vi s = (vi)((vu)sum[j] + (vu)part[j]);
            *over |= (s ^ sum[j]) & (s ^ part[j]);
            sum[j] = s;
        }
    }
    for (u32 j = 0; j < GROUP; j++) {
        vf unit = (vf)((254 << 23) - (vi)scale[j]), d = narrow_sum(sum[j], half) * unit;
        AT(vf, &x->d[column + j][row]) = d;
        if (half)
            half_round_trip(&x->d[column + j][row]);
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

/* Any number of terms of outputs whose exponents are in range, by doubles. */
static void dot_wide(mma_tile *x, u32 from, u32 to, int bits, const mma_rule *rule)
{
    for (u32 j = 0; j < MMA_N; j++) {
        f64 sum[MMA_M] __attribute__((aligned(64)));
        for (u32 r = 0; r < MMA_M; r++) {
            s32 top = x->ec[j][r];
            for (u32 k = from; k < to; k++) {
                s32 e = x->ea[k / 2][r][k % 2] + x->eb[j][k];
                top = e > top ? e : top;
            }
            f32 scale = fp_of_bits((u32)(bits + 127 + BIAS - (top > LOW ? top : LOW)) << 23);
            s64 s = (s32)(x->c[j][r] * scale);
            for (u32 k = from; k < to; k++)
                s += (s32)(x->a[k][r] * x->b[j][k] * scale);
            sum[r] = (f64)s * (f64)fp_of_bits((254u << 23) - fp_bits(scale));
        }
        (rule->half ? round_f16 : round_f32)(x->d[j], sum);
    }
}

/* All products and C are zero, and the sum is. */
static bool is_nothing(const mma_tile *x, u32 row, u32 j, u32 from, u32 to)
{
    f32 any = x->c[j][row];
    bool product = false;
    for (u32 k = from; k < to; k++)
        product |= (x->a[k][row] != 0) & (x->b[j][k] != 0);
    return any == 0 && !product;
}

/* Outputs one at a time: all, or those with low exponents. */
__attribute__((noinline)) static void redo(mma_tile *x, u32 from, u32 to, int bits,
                                           const mma_rule *rule, bool all)
{
    for (u32 j = 0; j < MMA_N; j++) {
        f64 sum[MMA_M] = {0};
        f32 d[MMA_M];
        u32 changed = 0;
        for (u32 r = 0; r < MMA_M; r++) {
            s32 top = x->ec[j][r];
            for (u32 k = from; k < to; k++) {
                s32 e = x->ea[k / 2][r][k % 2] + x->eb[j][k];
                top = e > top ? e : top;
            }
            if (!all && (top >= LOW || is_nothing(x, r, j, from, to)))
                continue;
            sum[r] = dot_slow(x, r, j, from, to, bits, rule->sparse);
            changed |= 1u << r;
        }
        (rule->half ? round_f16 : round_f32)(d, sum);
        for (u32 r = 0; r < MMA_M; r++)
            if (changed >> r & 1)
                x->d[j][r] = all ? fp_canon(d[r]) : d[r];
    }
}

/* One step of the hardware. */
INLINED void step(mma_tile *x, u32 from, u32 to, int bits, const mma_rule *rule, bool plain)
{
    vi low = {0}, over = {0};
    for (u32 row = 0; plain && row < MMA_M; row += LANES)
        for (u32 column = 0; column < MMA_N; column += GROUP)
            dot_group(x, from, to, bits, rule->half, row, column, &low, &over);
    if (plain && any_sign(over))
        dot_wide(x, from, to, bits, rule);
    if (!plain || any_sign(low))
        redo(x, from, to, bits, rule, !plain);
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
    for (u32 part = 0; part < 2 * MMA_N; part += GROUP) {
        u32 side = part / MMA_N * 8, column = part % MMA_N;
#define LOAD(j)                                                                                    \
    v8d s##j = __builtin_convertvector(*(const v8f *)(const void *)(x->c[column + j] + side), v8d);
#define STEP(j) s##j += a * (f64)x->b[column + j][q];
#define KEEP(j) *(v8d *)(void *)(sum[column + j] + side) = s##j;
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

/* Exponents of numbers; *most becomes the largest, 255 for infinity and NaN. */
INLINED vi exponents(const f32 *p, s32 least, vi *most)
{
    const vi zero = {0}, at_least = zero + least;
    vi e = (CONST(vi, p) & 0x7fffffff) >> 23;
    if (least == 1) {
        e = larger(e, at_least);
    } else { /* only zero has an exponent of 0 here: f32 holds the others as normal numbers */
        vi is_zero = e == 0;
        e = (larger(e, at_least) & ~is_zero) | (is_zero & 1);
    }
    *most = larger(*most, e);
    return e;
}

INLINED void exponents_a(mma_tile *x, u32 k, s32 least, vi *most)
{
    for (u32 q = 0; q < k; q += 2)
        for (u32 r = 0; r < MMA_M; r += LANES)
            AT(vi, x->ea[q / 2][r]) = exponents(&x->a[q][r], least, most) |
                                      exponents(&x->a[q + 1][r], least, most) << 16;
}

INLINED void exponents_b(mma_tile *x, u32 k, s32 least, vi *most)
{
    u32 n = (k + 15) & ~15u; /* what lies behind is not used, but must be a number */
    for (u32 j = 0; j < MMA_N; j++) {
        for (u32 q = k; q < n; q++)
            x->b[j][q] = 0;
        for (u32 q = 0; q < n; q += LANES) {
            vi e = exponents(&x->b[j][q], least, most);
            AT(narrow, &x->eb[j][q]) = __builtin_convertvector(e, narrow);
        }
    }
}

INLINED void exponents_c(mma_tile *x, s32 least, vi *most)
{
    for (u32 j = 0; j < MMA_N; j++)
        for (u32 r = 0; r < MMA_M; r += LANES)
            AT(vi, &x->ec[j][r]) = exponents(&x->c[j][r], least, most) + 127;
}

/* All exponents are such that neither a product nor a sum leaves the range of f32. */
static inline bool is_plain(vi a, vi b, vi c)
{
    return !any_sign((127 + 60 - a) | (127 + 60 - b) | (127 + 120 - c));
}

INLINED void multiply(mma_tile *x, u32 k, u32 stride, int bits, s32 least_a, s32 least_b,
                      const mma_rule *rule)
{
    s32 least_c = rule->half ? 127 - 14 : 1;
    vi a = {0}, b = {0}, c = {0};
    exponents_a(x, k, 127 + least_a, &a);
    exponents_b(x, k, 127 + least_b, &b);
    exponents_c(x, least_c, &c);
    __asm__ volatile("" : : : "memory"); /* pairs are to be loaded, not cut out of registers */
    for (u32 at = 0; at < k; at += stride) {
        step(x, at, at + stride, bits, rule, is_plain(a, b, c));
        if (at + stride < k) {
            memcpy(x->c, x->d, sizeof x->c);
            exponents_c(x, least_c, &c);
        }
    }
}

/* The frequent kinds have code of their own, in which all this is constant. */
#define KIND(name, type, least, stride, bits)                                                      \
    static void name(mma_tile *x)                                                                  \
    {                                                                                              \
        multiply(x, 16, stride, bits, least, least, &(const mma_rule){.a = type, .b = type});      \
    }
KIND(f16_by_16, MMA_F16, -14, 16, 25)
KIND(f16_by_8, MMA_F16, -14, 8, 24)
KIND(bf16_by_16, MMA_BF16, -126, 16, 25)
KIND(bf16_by_8, MMA_BF16, -126, 8, 24)

static bool multiply_frequent(mma_tile *x, u32 k, const mma_rule *rule)
{
    bool ampere = rule->model == PTX_MMA_AMPERE;
    if (k != 16 || rule->a != rule->b || rule->half || rule->coarse || rule->sparse)
        return false;
    if (rule->a == MMA_F16)
        (ampere ? f16_by_8 : f16_by_16)(x);
    else if (rule->a == MMA_BF16)
        (ampere ? bf16_by_8 : bf16_by_16)(x);
    else
        return false;
    return true;
}

void mma_multiply(mma_tile *x, u32 k, const mma_rule *rule)
{
    const bool coarse = rule->coarse, ampere = rule->model == PTX_MMA_AMPERE;
    if (rule->model == PTX_MMA_FIELD) {
        mma_multiply_field(x, k, rule->prime);
        return;
    }
    if (rule->model == PTX_MMA_EXACT) {
        exact(x, k, rule->half, rule->sparse);
        return;
    }
    if (multiply_frequent(x, k, rule))
        return;
    u32 most = rule->a == MMA_TF32 ? 4 : mma_type_bits(rule->a) <= 8 ? 16 : 8; /* Ampere's step */
    most *= rule->sparse ? 2 : 1;
    multiply(x, k, ampere && k > most ? most : k, coarse ? COARSE : ampere ? 24 : 25,
             mma_least_exponent(rule->a), mma_least_exponent(rule->b), rule);
    for (u32 v = 0; coarse && !rule->half && v < MMA_N * MMA_M; v++)
        x->d[v / MMA_M][v % MMA_M] =
            fp_of_bits(fp_bits(x->d[v / MMA_M][v % MMA_M]) & ~((1u << (23 - COARSE)) - 1));
}
