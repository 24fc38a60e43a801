/* mma.sync: fragments in registers to tiles and back.
 *
 * One layout covers all shapes but the m8n8k4 of sm_70 (PTX ISA 9.7.14.5). With e elements of a row
 * in a register, g = lane / 4 and t = lane % 4, element i of register r is A  row g + 8 (r % 2),
 * column 4 e (r / 2) + e t + i   (8 rows: row g, column 4 e r + e t + i) B  row 4 e r + e t + i,
 * column g C  row g + 8 (r / 2), column 2 t + r % 2             (f16: two columns share a register)
 */
#include "harness/ptx/field_step.h"
#include "harness/ptx/half.h"
#include "harness/ptx/x_matrix.h"
#include "harness/ptx/x_mma.h"

#include <string.h>

/* ---- floating-point operands ---- */

typedef u32 v16u __attribute__((vector_size(64)));

static inline v16u load16(const u32 *p)
{
    return *(const v16u *)(const void *)p;
}

/* Lane 4 g + t of `low` is row g of out[t], of `high` row g + 8. */
static inline void split(const u32 *low, const u32 *high, v16u out[4])
{
#define EVEN 0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29
#define ODD  2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31
    v16u l0 = load16(low), l1 = load16(low + 16), h0 = load16(high), h1 = load16(high + 16);
    v16u a = __builtin_shufflevector(l0, l1, EVEN), b = __builtin_shufflevector(l0, l1, ODD);
    v16u c = __builtin_shufflevector(h0, h1, EVEN), d = __builtin_shufflevector(h0, h1, ODD);
    out[0] = __builtin_shufflevector(a, c, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    out[1] =
        __builtin_shufflevector(a, c, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    out[2] = __builtin_shufflevector(b, d, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    out[3] =
        __builtin_shufflevector(b, d, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
#undef EVEN
#undef ODD
}

/* The other way round. */
static inline void join(u32 *low, u32 *high, v16u p0, v16u p1, v16u p2, v16u p3)
{
#define FIRST  0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define SECOND 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define PAIRS0 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23
#define PAIRS1 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31
    v16u a = __builtin_shufflevector(p0, p1, FIRST), b = __builtin_shufflevector(p2, p3, FIRST);
    v16u c = __builtin_shufflevector(p0, p1, SECOND), d = __builtin_shufflevector(p2, p3, SECOND);
    *(v16u *)(void *)low = __builtin_shufflevector(a, b, PAIRS0);
    *(v16u *)(void *)(low + 16) = __builtin_shufflevector(a, b, PAIRS1);
    *(v16u *)(void *)high = __builtin_shufflevector(c, d, PAIRS0);
    *(v16u *)(void *)(high + 16) = __builtin_shufflevector(c, d, PAIRS1);
#undef FIRST
#undef SECOND
#undef PAIRS0
#undef PAIRS1
}

/* Two columns of halves to floats. */
static inline void widen_pair(f32 *even, f32 *odd, v16u pair, bool bf)
{
    if (bf) {
        *(v16u *)(void *)even = pair << 16;
        *(v16u *)(void *)odd = pair & 0xffff0000u;
        return;
    }
    typedef u16 v16h __attribute__((vector_size(32)));
    v16h h[2] = {__builtin_convertvector(pair, v16h), __builtin_convertvector(pair >> 16, v16h)};
    half_widen_f16(even, (const u16 *)&h[0], MMA_M);
    half_widen_f16(odd, (const u16 *)&h[1], MMA_M);
}

/* Registers of two halves: whole rows of registers are widened at once. */
static void unpack_halves(const ptx_warp *w, const mma_form *f, mma_tile *x)
{
    bool bf = mma_stored(mma_model(w), f->a) == MMA_BF16;
    for (u32 q = 0; q < f->n_a / 2; q++) {
        v16u pair[4];
        split(IN(u32, f->slot_a[2 * q]), IN(u32, f->slot_a[2 * q + 1]), pair);
        for (u32 t = 0; t < 4; t++)
            widen_pair(x->a[8 * q + 2 * t], x->a[8 * q + 2 * t + 1], pair[t], bf);
    }
    for (u32 r = 0; r < f->n_b; r++) { /* already a matrix of 8 columns by 8 */
        f32 wide[8][8] __attribute__((aligned(64)));
        half_widen(wide[0], IN(u16, f->slot_b[r]), 64, bf);
        for (u32 j = 0; j < MMA_N; j++)
            memcpy(&x->b[j][8 * r], wide[j], sizeof wide[j]);
    }
}

/* The lowest `bits` of a register; e2m1 lies in the middle of 8 bits, the formats of 6 bits at
 * their lower end. */
static f32 element(mma_type t, u32 bits, u32 word)
{
    return mma_widen(t, bits == 8 && t == MMA_E2M1 ? word >> 2 : word & (u32)((1ull << bits) - 1));
}

static void unpack_floats(const ptx_warp *w, const mma_form *f, mma_tile *x)
{
    u32 bits = f->bits_a, e = 32 / bits;
    for (u32 r = 0; r < f->n_a; r++)
        EACH_LANE(l)
    for (u32 i = 0; i < e; i++)
        x->a[4 * e * (r / 2) + e * ((u32)l & 3) + i][((u32)l >> 2) + 8 * (r & 1)] =
            element(f->a, bits, IN(u32, f->slot_a[r])[l] >> (bits * i));
    for (u32 r = 0; r < f->n_b; r++)
        EACH_LANE(l)
    for (u32 i = 0; i < e; i++)
        x->b[l >> 2][4 * e * r + e * ((u32)l & 3) + i] =
            element(f->b, bits, IN(u32, f->slot_b[r])[l] >> (bits * i));
}

static void unpack_c(const ptx_warp *w, const mma_form *f, mma_tile *x)
{
    if (!f->half) {
        v16u even[4], odd[4];
        split(IN(u32, f->slot_c[0]), IN(u32, f->slot_c[2]), even);
        split(IN(u32, f->slot_c[1]), IN(u32, f->slot_c[3]), odd);
        for (u32 t = 0; t < 4; t++) {
            memcpy(x->c[2 * t], &even[t], sizeof even[t]);
            memcpy(x->c[2 * t + 1], &odd[t], sizeof odd[t]);
        }
        return;
    }
    for (u32 h = 0; h < 2; h++) {
        u16 v[64];
        f32 wide[8][8];
        memcpy(v, IN(u32, f->slot_c[h]), sizeof v);
        half_widen(wide[0], v, 64, mma_model(w) == PTX_MMA_FIELD);
        for (u32 g = 0; g < 8; g++)
            for (u32 j = 0; j < MMA_N; j++)
                x->c[j][g + 8 * h] = wide[g][j];
    }
}

static void pack_d(const ptx_warp *w, const mma_form *f, const mma_tile *x)
{
    const v16u *d = (const v16u *)(const void *)x->d;
    if (!f->half) {
        join(OUT(u32, f->slot_d[0]), OUT(u32, f->slot_d[2]), d[0], d[2], d[4], d[6]);
        join(OUT(u32, f->slot_d[1]), OUT(u32, f->slot_d[3]), d[1], d[3], d[5], d[7]);
        return;
    }
    for (u32 h = 0; h < 2; h++) {
        u16 v[64];
        f32 wide[8][8];
        for (u32 g = 0; g < 8; g++)
            for (u32 j = 0; j < MMA_N; j++)
                wide[g][j] = x->d[j][g + 8 * h];
        if (mma_model(w) == PTX_MMA_FIELD)
            for (u32 e = 0; e < 64; e++)
                v[e] = (u16)(fp_bits(wide[e / 8][e % 8]) >> 16);
        else
            half_narrow_f16(v, wide[0], 64);
        memcpy(OUT(u32, f->slot_d[h]), v, sizeof v);
    }
}

/* Absent elements of A are not multiplied. */
static void count_flops(ptx_warp *w, const mma_form *f)
{
    w->worker->counters.tensor_flops += 2ull * f->m * MMA_N * f->k / (f->sparse ? 2 : 1);
}

void ptx_mma_float(ptx_warp *w, const ptx_insn *i)
{
    const mma_form *f = i->aux;
    const mma_rule rule = {.a = f->a,
                           .b = f->b,
                           .half = f->half,
                           .sparse = f->sparse,
                           .model = mma_model(w),
                           .prime = ptx_field_prime(w)};
    mma_tile x;
    if (!ptx_whole_warp(w, i))
        return;
    if (f->a == MMA_F16 || f->a == MMA_BF16)
        unpack_halves(w, f, &x);
    else
        unpack_floats(w, f, &x);
    if (f->sparse)
        ptx_sparse_floats(w, f, &x);
    unpack_c(w, f, &x);
    mma_multiply(&x, f->k, &rule);
    pack_d(w, f, &x);
    count_flops(w, f);
}

/* ---- m8n8k4 of sm_70: lanes 4 p .. 4 p + 3 and 16 above them compute the p-th of four products
 * ---- */

static f32 half_at(const ptx_warp *w, const u32 *slot, u32 lane, u32 element)
{
    return mma_widen(MMA_F16, IN(u32, slot[element / 2])[lane] >> (16 * (element % 2)) & 0xffff);
}

static void quad_unpack(const ptx_warp *w, const mma_form *f, u32 p, mma_tile *x)
{
    memset(x, 0, sizeof *x);
    for (u32 n = 0; n < 8; n++) {
        u32 lane = 4 * p + (n & 3) + (n >= 4 ? 16 : 0), base = n & 4, q = n & 3;
        for (u32 i = 0; i < 4; i++) {
            *(f->col_a ? &x->a[q][base + i] : &x->a[i][base + q]) = half_at(w, f->slot_a, lane, i);
            *(f->row_b ? &x->b[base + i][q] : &x->b[base + q][i]) = half_at(w, f->slot_b, lane, i);
        }
        for (u32 i = 0; i < 8; i++)
            if (f->c == MMA_F16)
                x->c[i][base + q] = half_at(w, f->slot_c, lane, i);
            else
                x->c[(i & 4) + (lane & 2) + (i & 1)][base + (lane & 1) + (i & 2)] =
                    IN(f32, f->slot_c[i])[lane];
    }
}

static void put_half(u32 *word, u32 which, u16 h)
{
    *word = which ? (*word & 0xffff) | (u32)h << 16 : (*word & 0xffff0000) | h;
}

static void quad_pack(const ptx_warp *w, const mma_form *f, u32 p, const mma_tile *x)
{
    for (u32 n = 0; n < 8; n++) {
        u32 lane = 4 * p + (n & 3) + (n >= 4 ? 16 : 0), base = n & 4, q = n & 3;
        for (u32 i = 0; i < 8; i++)
            if (f->half)
                put_half(OUT(u32, f->slot_d[i / 2]) + lane, i % 2,
                         half_round(x->d[i][base + q], false, PTX_RN));
            else
                OUT(f32, f->slot_d[i])
                [lane] = x->d[(i & 4) + (lane & 2) + (i & 1)][base + (lane & 1) + (i & 2)];
    }
}

void ptx_mma_quads(ptx_warp *w, const ptx_insn *i)
{
    const mma_form *f = i->aux;
    const mma_rule rule = {.a = MMA_F16,
                           .b = MMA_F16,
                           .half = f->half,
                           .model = mma_model(w)};
    mma_tile x[4];
    if (!ptx_whole_warp(w, i))
        return;
    for (u32 p = 0; p < 4; p++) {
        quad_unpack(w, f, p, &x[p]);
        mma_multiply(&x[p], 4, &rule);
    }
    for (u32 p = 0; p < 4; p++)
        quad_pack(w, f, p, &x[p]);
    w->worker->counters.tensor_flops += 2 * 4 * 8 * 8 * 4;
}

/* ---- f64: chains of fma ---- */

/* Opaque: it runs under a changed rounding mode. */
__attribute__((noipa)) static void sums_f64(const ptx_warp *w, const mma_form *f,
                                            f64 d[4][PTX_LANES])
{
    u32 rows = f->m / 8;
    for (u32 r = 0; r < 2 * rows; r++)
        EACH_LANE(l)
        {
            u32 g = (u32)l >> 2, column = 2 * ((u32)l & 3) + (r & 1), half = r / 2;
            f64 sum = IN(f64, f->slot_c[r])[l];
            for (u32 k = 0; k < f->k; k++)
                sum = __builtin_fma(IN(f64, f->slot_a[rows * (k / 4) + half])[4 * g + k % 4],
                                    IN(f64, f->slot_b[k / 4])[4 * column + k % 4], sum);
            d[r][l] = sum;
        }
}

static void sums_field(const ptx_warp *w, const mma_form *f, f64 d[4][PTX_LANES])
{
    const u32 rows = f->m / 8, p = ptx_field_prime(w);
    const u64 m = field_constant(p);
    for (u32 r = 0; r < 2 * rows; r++)
        EACH_LANE(l)
        {
            u32 g = (u32)l >> 2, column = 2 * ((u32)l & 3) + (r & 1), half = r / 2;
            u32 sum = field_of64(IN(u64, f->slot_c[r])[l]);
            for (u32 k = 0; k < f->k; k++)
                sum = field_fma(field_of64(IN(u64, f->slot_a[rows * (k / 4) + half])[4 * g + k % 4]),
                                field_of64(IN(u64, f->slot_b[k / 4])[4 * column + k % 4]), sum, p, m);
            u64 code = (u64)sum << 48;
            memcpy(&d[r][l], &code, sizeof code);
        }
}

void ptx_mma_f64(ptx_warp *w, const ptx_insn *i)
{
    const mma_form *f = i->aux;
    f64 d[4][PTX_LANES];
    if (!ptx_whole_warp(w, i))
        return;
    if (ptx_field_prime(w)) {
        sums_field(w, f, d);
    } else {
        fp_round_begin(i->mods & 3);
        sums_f64(w, f, d);
        fp_round_end(i->mods & 3);
    }
    for (u32 r = 0; r < f->m / 4; r++)
        memcpy(OUT(f64, f->slot_d[r]), d[r], sizeof d[r]);
    count_flops(w, f);
}

/* ---- integers and bits ---- */

static s32 integer_at(mma_type t, u32 word, u32 i)
{
    switch (t) {
    case MMA_S8:
        return (s8)(word >> (8 * i));
    case MMA_U8:
        return (u8)(word >> (8 * i));
    case MMA_S4:
        return (s32)(word << (28 - 4 * i)) >> 28;
    case MMA_U4:
        return (s32)(word >> (4 * i) & 15);
    default:
        return (s32)word; /* 32 bits at once */
    }
}

static s64 int_dot(const mma_form *f, const s32 *a, const s32 *b, u32 n)
{
    s64 sum = 0;
    if (f->a == MMA_B1) {
        for (u32 k = 0; k < n; k++)
            sum += __builtin_popcount((u32)(f->is_and ? a[k] & b[k] : a[k] ^ b[k]));
        return sum;
    }
    s32 part = 0; /* 128 products of 8 bits fit */
    for (u32 k = 0; k < n; k++)
        part += a[k] * b[k];
    return part;
}

void ptx_mma_int(ptx_warp *w, const ptx_insn *i)
{
    const mma_form *f = i->aux;
    s32 a[MMA_M][MMA_MAX_INT_K], b[MMA_N][MMA_MAX_INT_K], d[4][PTX_LANES];
    u32 bits = mma_type_bits(f->a), e = bits == 1 ? 1 : 32 / bits, rows = f->m / 8,
        n = bits == 1 ? f->k / 32 : f->k;
    u32 n_c = rows == 2 ? 4 : 2;
    if (!ptx_whole_warp(w, i))
        return;
    for (u32 r = 0; r < f->n_a; r++)
        EACH_LANE(l)
    for (u32 q = 0; q < e; q++)
        a[((u32)l >> 2) + 8 * (r % rows)][4 * e * (r / rows) + e * ((u32)l & 3) + q] =
            integer_at(f->a, IN(u32, f->slot_a[r])[l], q);
    if (f->sparse)
        ptx_sparse_ints(w, f, a);
    for (u32 r = 0; r < f->n_b; r++)
        EACH_LANE(l)
    for (u32 q = 0; q < e; q++)
        b[l >> 2][4 * e * r + e * ((u32)l & 3) + q] = integer_at(f->b, IN(u32, f->slot_b[r])[l], q);
    for (u32 r = 0; r < n_c; r++)
        EACH_LANE(l)
        {
            s64 sum = IN(s32, f->slot_c[r])[l] +
                      int_dot(f, a[((u32)l >> 2) + 8 * (r / 2)], b[2 * ((u32)l & 3) + (r & 1)], n);
            sum = f->saturates && sum > INT32_MAX   ? INT32_MAX
                  : f->saturates && sum < INT32_MIN ? INT32_MIN
                                                    : sum;
            d[r][l] = (s32)(u32)(u64)sum;
        }
    for (u32 r = 0; r < n_c; r++)
        memcpy(OUT(s32, f->slot_d[r]), d[r], sizeof d[r]);
    count_flops(w, f);
}
