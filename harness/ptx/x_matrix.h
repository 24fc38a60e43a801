/* What the instructions that a whole warp executes share. */
#ifndef HARNESS_PTX_X_MATRIX_H
#define HARNESS_PTX_X_MATRIX_H

#include "harness/ptx/lanes.h"

/* All 32 lanes are here. Else the ones that are wait for the others, or a fault says that these
 * never come. */
bool ptx_whole_warp(ptx_warp *w, const ptx_insn *i);
/* The registers of {..} or of a single one, `bytes` wide each, exactly n; destinations or
 * sources. */
bool ptx_vec_slots(ptx_decoder *d, const ptx_operand *o, u32 bytes, bool is_dst, u32 *slot, int n);

/* The rows of ldmatrix i from a copy in which lane l's begins at stride * l. */
void ptx_matrix_spread(ptx_warp *w, const ptx_insn *i, const uint8_t *from, u32 stride);

#endif
