/* mma.sync: what an instruction asks for, between its decoder and its handlers. */
#ifndef HARNESS_PTX_X_MMA_H
#define HARNESS_PTX_X_MMA_H

#include "harness/ptx/mma.h"

enum { MMA_MAX_REGS = 8, MMA_MAX_INT_K = 128 };

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
} mma_form;

void ptx_mma_float(ptx_warp *w, const ptx_insn *i);
void ptx_mma_quads(ptx_warp *w, const ptx_insn *i);
void ptx_mma_f64(ptx_warp *w, const ptx_insn *i); /* insn->mods: rounding */
void ptx_mma_int(ptx_warp *w, const ptx_insn *i);

/* ---- x_sparse.c: the elements of a row of A go to the columns that the metadata names ---- */
void ptx_sparse_floats(const ptx_warp *w, const mma_form *f, mma_tile *x);
void ptx_sparse_ints(const ptx_warp *w, const mma_form *f, s32 a[MMA_M][MMA_MAX_INT_K]);

#endif
