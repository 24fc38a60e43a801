/* mma.sync: what an instruction asks for, between its decoder and its handlers. */
#ifndef HARNESS_PTX_X_MMA_H
#define HARNESS_PTX_X_MMA_H

#include "harness/ptx/mma.h"

enum { MMA_MAX_REGS = 8, MMA_MAX_INT_K = 128 };

/* Of .block_scale, for A and B: n scales a row of A or a column of B, in bytes of a register of
 * some lanes. */
typedef struct mma_scales {
    u32 n;
    bool is_ue4m3;                /* else ue8m0 */
    u32 data[2], byte[2], thread[2]; /* slots; which byte of it, from which lanes */
} mma_scales;

typedef struct mma_form {
    u32 m, k; /* n is 8 */
    mma_type a, b, c;
    bool half, saturates, is_and;
    bool col_a, row_b;  /* m8n8k4 */
    bool sparse;        /* A has k / 2 elements a row */
    u32 bits_a, bits_b; /* of an element in its register: 8 bits hold those of 6 and of 4, too */
    u32 n_a, n_b, n_c;  /* registers */
    u32 slot_a[MMA_MAX_REGS], slot_b[MMA_MAX_REGS], slot_c[MMA_MAX_REGS], slot_d[MMA_MAX_REGS];
    u32 slot_meta, selector; /* sparse */
    const mma_scales *scales; /* NULL: none */
} mma_form;

void ptx_mma_float(ptx_warp *w, const ptx_insn *i);
void ptx_mma_quads(ptx_warp *w, const ptx_insn *i);
void ptx_mma_f64(ptx_warp *w, const ptx_insn *i); /* insn->mods: rounding */
void ptx_mma_int(ptx_warp *w, const ptx_insn *i);
void ptx_mma_scaled(ptx_warp *w, const ptx_insn *i); /* x_mma_scaled.c */

/* ---- x_sparse.c: the elements of a row of A go to the columns that the metadata names ---- */
/* The column of element q of row r. */
u32 ptx_sparse_column(const ptx_warp *w, const mma_form *f, u32 r, u32 q);
void ptx_sparse_floats(const ptx_warp *w, const mma_form *f, mma_tile *x);
void ptx_sparse_ints(const ptx_warp *w, const mma_form *f, s32 a[MMA_M][MMA_MAX_INT_K]);

#endif
