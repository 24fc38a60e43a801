/* Products of small matrices as tensor cores compute them: one tile of 16 x 8 outputs at a time.
 *
 * Sums of f16, bf16, tf32 and fp8 products follow the rule that microsoft/MMA-Sim found by
 * experiment (arXiv 2511.10909): all products of a step and C are aligned to the largest exponent
 * among them (that of a product is the sum of its factors', not normalised), cut to a number of
 * fractional bits, summed exactly, and the sum is cut to f32 or rounded to f16. */
#ifndef HARNESS_PTX_MMA_H
#define HARNESS_PTX_MMA_H

#include "harness/ptx/lanes.h"

enum { MMA_M = 16, MMA_N = 8, MMA_MAX_K = 64 };

typedef enum mma_type {
    MMA_F16,
    MMA_BF16,
    MMA_TF32,
    MMA_E4M3,
    MMA_E5M2,
    MMA_E3M2,
    MMA_E2M3,
    MMA_E2M1,
    MMA_F32,
    MMA_F64,
    MMA_S8,
    MMA_U8,
    MMA_S4,
    MMA_U4,
    MMA_B1,
    MMA_S32,
    MMA_TYPE_COUNT
} mma_type;
mma_type mma_type_find(ws_str name); /* MMA_TYPE_COUNT: none */
u32 mma_type_bits(mma_type t);
typedef struct mma_words { /* of a mnemonic */
    mma_type type[4];
    u32 n_types;
    u32 m, n, k;
    bool col[2]; /* .col, not .row: the first, the second */
} mma_words;
mma_words mma_read(const ptx_ast_insn *a);
s32 mma_least_exponent(mma_type t); /* of normal numbers */
f32 mma_widen(mma_type t, u32 bits); /* of the floating-point types up to f32 */

/* A is stored by columns, B by columns: rows of a tile are lanes of a vector. */
typedef struct mma_tile {
    f32 a[MMA_MAX_K][MMA_M], b[MMA_N][MMA_MAX_K], c[MMA_N][MMA_M];
    s16 ea[MMA_MAX_K / 2][MMA_M][2], eb[MMA_N][MMA_MAX_K]; /* exponents, by mma_multiply: */
    s32 ec[MMA_N][MMA_M];                                  /* pairs of k lie together */
    f32 d[MMA_N][MMA_M];
    u16 used[MMA_MAX_K]; /* rows of A that have an element in column k, when A is sparse */
} __attribute__((aligned(64))) mma_tile;

typedef struct mma_rule {
    mma_type a, b;
    bool half;   /* C and D are f16 values */
    bool coarse; /* with 13 fractional bits only, as wgmma sums fp8 */
    bool sparse; /* half of every row of A is absent, and counts for nothing whatever B has there */
    int model;   /* PTX_MMA_* */
    u32 prime;   /* of PTX_MMA_FIELD */
} mma_rule;

/* The model of the launch, PTX_MMA_*. */
static inline int mma_model(const ptx_warp *w)
{
    const ptx_grid *g = w->worker->grid;
    int model = g->options->field_prime ? PTX_MMA_FIELD : (int)g->options->mma_model;
    return model != PTX_MMA_BY_TARGET ? model : g->ast->sm >= 90 ? PTX_MMA_HOPPER : PTX_MMA_AMPERE;
}

/* Over a field (field.h) all elements lie as those of bf16 do, in the upper halves of floats. */
static inline mma_type mma_stored(int model, mma_type t)
{
    return model == PTX_MMA_FIELD && t == MMA_F16 ? MMA_BF16 : t;
}
void mma_multiply_field(mma_tile *x, u32 k, u32 prime); /* field_mma.c */

/* d = a b + c with k columns of A. */
void mma_multiply(mma_tile *x, u32 k, const mma_rule *rule);

#endif
