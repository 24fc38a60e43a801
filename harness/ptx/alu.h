/* What the decode functions of arithmetic instructions share. Registers must have the width of the
 * operand: a slot of another width would be read past its end. */
#ifndef HARNESS_PTX_ALU_H
#define HARNESS_PTX_ALU_H

#include "harness/ptx/engine.h"
#include "harness/ptx/ops.h"

/* The slot of a destination of `bytes` a lane; `_` is a slot that nobody reads. false: not such a
 * register. */
bool ptx_alu_dst(ptx_decoder *d, const ptx_operand *o, uint32_t bytes, uint32_t *slot);
/* The slot of a source: register, immediate, or variable whose address is a constant. */
bool ptx_alu_src(ptx_decoder *d, const ptx_operand *o, ptx_type t, uint32_t *slot);
/* What the form calls a result goes to d, its sources to a, b, c, d2, each of its own type. */
bool ptx_alu_operands(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i);
bool ptx_alu_pred_src(ptx_decoder *d, const ptx_operand *o, uint32_t *pred, bool *neg);
bool ptx_alu_pred_dst(ptx_decoder *d, const ptx_operand *o, uint32_t *pred);
/* The second destination of d|p: a sink when there is none. */
uint32_t ptx_alu_second(ptx_decoder *d, const ptx_operand *o);
/* Instructions that have no effect here. */
void ptx_nop(ptx_warp *w, const ptx_insn *i);
bool ptx_decode_nop(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i);

#endif
