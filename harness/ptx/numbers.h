/* Registers that a function sets once, to a number: compilers put the operands of a shuffle there. */
#ifndef HARNESS_PTX_NUMBERS_H
#define HARNESS_PTX_NUMBERS_H

#include "harness/ptx/ast.h"

typedef struct ptx_numbers ptx_numbers;

ptx_numbers *ptx_numbers_new(const ptx_func *f);
void ptx_numbers_free(ptx_numbers *n);
/* The 32 bits of operand o of instruction a: an immediate, or a register that an instruction further up has set, and no
 * other one sets. false: it is not known. */
bool ptx_numbers_find(const ptx_numbers *n, const ptx_ast_insn *a, const ptx_operand *o, uint32_t *value);

#endif
