/* mma.sync with .block_scale (PTX ISA 9.7.14.3): a row of A is cut into chunks, and each is
 * multiplied with a scale of its own; so are the columns of B.
 *
 * Sums follow the rule that microsoft/MMA-Sim found by experiment for RTX Blackwell. Bytes
 * (kind::mxf8f6f4): as other products, with the exponents of both scales added to that of every
 * product. Elements of 4 bits (mxf4, mxf4nvf4): quarters of the row are summed exactly and
 * multiplied with both scales' significands; the four and C are aligned to the largest exponent,
 * which the scales alone give, and cut to more bits. */
#include "harness/ptx/x_matrix.h"
#include "harness/ptx/x_mma.h"

#include "harness/ptx/fp.h"

#include <math.h>
#include <string.h>

enum { MAX_K = 128, MAX_SCALES = 4, QUARTERS = 4, BITS = 25, QUARTER_BITS = 35,
       ZERO_EXPONENT = -126 };

typedef struct scale { /* significand * 2^exponent */
    f64 significand;
    int exponent;
} scale;

typedef struct scaled_tile {
    f32 a[MMA_M][MAX_K], b[MMA_N][MAX_K]; /* by rows, by columns */
    bool used[MMA_M][MAX_K];              /* A has an element there */
    scale sa[MMA_M][MAX_SCALES], sb[MMA_N][MAX_SCALES];
    u32 k, n; /* columns, scales of a row */
} scaled_tile;

/* ---- operands ---- */

static scale scale_of(const mma_scales *s, u32 code)
{
    u32 exponent = code >> 3 & 15, m = code & 7;
    if (!s->is_ue4m3)
        return code == 255 ? (scale){(f64)NAN, 0} : (scale){1, (int)code - 127};
    if ((code & 0x7f) == 0x7f)
        return (scale){(f64)NAN, 0};
    if (!exponent)
        return (scale){m / 8.0, m ? -6 : ZERO_EXPONENT};
    return (scale){1 + m / 8.0, (int)exponent - 7};
}

/* Scales of the row or column whose register is that of `lane`. */
static void take_scales(const ptx_warp *w, const mma_scales *s, int side, u32 lane,
                        scale out[MAX_SCALES])
{
    u32 word = IN(u32, s->data[side])[lane], byte = IN(u16, s->byte[side])[0];
    u32 first = s->n == 1 ? byte & 3 : s->n == 2 ? byte & 2 : 0;
    for (u32 c = 0; c < s->n; c++)
        out[c] = scale_of(s, word >> (8 * (first + c)) & 255);
}

/* Of each four lanes, two that .thread-id-a names have the scales of rows g and g + 8 of A, and one
 * that .thread-id-b names has those of column g of B. */
static void unpack_scales(const ptx_warp *w, const mma_scales *s, scaled_tile *x)
{
    u32 pair = IN(u16, s->thread[0])[0] & 1, one = IN(u16, s->thread[1])[0] & 3;
    for (u32 r = 0; r < MMA_M; r++)
        take_scales(w, s, 0, 4 * (r % 8) + 2 * pair + r / 8, x->sa[r]);
    for (u32 j = 0; j < MMA_N; j++)
        take_scales(w, s, 1, 4 * j + one, x->sb[j]);
}

/* As in x_mma.c; elements of 4 bits alone fill a register of kind::mxf4. */
static f32 element(mma_type t, u32 bits, u32 word)
{
    return mma_widen(t, bits == 8 && t == MMA_E2M1 ? word >> 2 & 15 : word & ((1u << bits) - 1));
}

static void unpack(const ptx_warp *w, const mma_form *f, scaled_tile *x)
{
    u32 bits = f->bits_a, e = 32 / bits;
    memset(x->used, 0, sizeof x->used);
    memset(x->a, 0, sizeof x->a);
    for (u32 r = 0; r < f->n_a; r++)
        EACH_LANE(l)
            for (u32 i = 0; i < e; i++) {
                u32 row = (u32)l / 4 + 8 * (r & 1), k = 4 * e * (r / 2) + e * ((u32)l & 3) + i;
                k = f->sparse ? ptx_sparse_column(w, f, row, k) : k;
                x->a[row][k] = element(f->a, bits, IN(u32, f->slot_a[r])[l] >> (bits * i));
                x->used[row][k] = true;
            }
    for (u32 r = 0; r < f->n_b; r++)
        EACH_LANE(l)
            for (u32 i = 0; i < e; i++)
                x->b[l / 4][4 * e * r + e * ((u32)l & 3) + i] =
                    element(f->b, bits, IN(u32, f->slot_b[r])[l] >> (bits * i));
    x->k = f->k;
    x->n = f->scales->n;
    unpack_scales(w, f->scales, x);
}

/* ---- sums ---- */

static int exponent_of(f32 v, s32 least)
{
    int e = (int)(fp_bits(v) >> 23 & 255) - 127;
    return v == 0 ? ZERO_EXPONENT : e < least ? least : e;
}

/* To zero; beyond the largest f32 to infinity. */
static f32 cut(f64 x)
{
    f32 f = (f32)x;
    bool far = fabs((f64)f) > fabs(x) && fabs(x) < 0x1p128;
    return fp_canon(fp_of_bits(fp_bits(f) - far));
}

static f64 value_of(const scale *s)
{
    return ldexp(s->significand, s->exponent);
}

/* With one rounding but those of f64: the model that is exact, and what shows infinities and
 * NaN. */
static f64 plain_sum(const scaled_tile *x, u32 r, u32 j, f32 c)
{
    f64 sum = c;
    for (u32 k = 0; k < x->k; k++)
        if (x->used[r][k]) {
            u32 chunk = k * x->n / x->k;
            sum += (f64)x->a[r][k] * (f64)x->b[j][k] * value_of(&x->sa[r][chunk]) *
                   value_of(&x->sb[j][chunk]);
        }
    return sum;
}

static f64 sum_products(const scaled_tile *x, u32 r, u32 j, f32 c, s32 least_a, s32 least_b)
{
    int top = exponent_of(c, -126), scales = x->sa[r][0].exponent + x->sb[j][0].exponent;
    f64 sum = 0;
    for (u32 k = 0; k < x->k; k++) {
        int e = exponent_of(x->a[r][k], least_a) + exponent_of(x->b[j][k], least_b) + scales;
        top = x->used[r][k] && e > top ? e : top;
    }
    for (u32 k = 0; k < x->k; k++)
        sum += trunc(ldexp((f64)x->a[r][k] * (f64)x->b[j][k], scales + BITS - top));
    return ldexp(sum + trunc(ldexp(c, BITS - top)), top - BITS);
}

static f64 sum_quarters(const scaled_tile *x, u32 r, u32 j, f32 c)
{
    f64 part[QUARTERS], sum;
    int exponent[QUARTERS], top = exponent_of(c, -126);
    for (u32 q = 0; q < QUARTERS; q++) {
        const scale *sa = &x->sa[r][q * x->n / QUARTERS], *sb = &x->sb[j][q * x->n / QUARTERS];
        f32 dot = 0; /* exact: multiples of 1/4 below 2^11 */
        for (u32 k = q * x->k / QUARTERS; k < (q + 1) * x->k / QUARTERS; k++)
            dot += x->a[r][k] * x->b[j][k];
        part[q] = (f64)dot * sa->significand * sb->significand;
        exponent[q] = sa->exponent + sb->exponent;
        top = exponent[q] > top ? exponent[q] : top;
    }
    sum = trunc(ldexp(c, QUARTER_BITS - top));
    for (u32 q = 0; q < QUARTERS; q++)
        sum += trunc(ldexp(part[q], exponent[q] + QUARTER_BITS - top));
    return ldexp(sum, top - QUARTER_BITS);
}

static f32 sum_of(const scaled_tile *x, const mma_form *f, int model, u32 r, u32 j, f32 c)
{
    f64 plain = plain_sum(x, r, j, c);
    if (model == PTX_MMA_EXACT || !isfinite(plain))
        return fp_canon((f32)plain);
    return cut(f->bits_a == 4
                   ? sum_quarters(x, r, j, c)
                   : sum_products(x, r, j, c, mma_least_exponent(f->a), mma_least_exponent(f->b)));
}

void ptx_mma_scaled(ptx_warp *w, const ptx_insn *i)
{
    const mma_form *f = i->aux;
    scaled_tile x;
    f32 d[4][PTX_LANES];
    int model = mma_model(w);
    if (!ptx_whole_warp(w, i))
        return;
    unpack(w, f, &x);
    for (u32 q = 0; q < 4; q++)
        EACH_LANE(l)
    d[q][l] = sum_of(&x, f, model, (u32)l / 4 + 8 * (q / 2), 2 * ((u32)l & 3) + (q & 1),
                     IN(f32, f->slot_c[q])[l]);
    for (u32 q = 0; q < 4; q++)
        memcpy(OUT(f32, f->slot_d[q]), d[q], sizeof d[q]);
    w->worker->counters.tensor_flops += 2ull * MMA_M * MMA_N * f->k / (f->sparse ? 2 : 1);
}
