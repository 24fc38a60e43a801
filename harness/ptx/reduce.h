/* Reductions of arrays into memory, element by element: cp.reduce.async.bulk and red.async. */
#ifndef HARNESS_PTX_REDUCE_H
#define HARNESS_PTX_REDUCE_H

#include "harness/ptx/lanes.h"

typedef enum ptx_red {
    PTX_RED_ADD, PTX_RED_MIN, PTX_RED_MAX, PTX_RED_AND, PTX_RED_OR, PTX_RED_XOR, PTX_RED_INC,
    PTX_RED_DEC, PTX_RED_COUNT
} ptx_red;

/* The operation among the modifiers; PTX_RED_COUNT: none. */
ptx_red ptx_red_find(const ptx_ast_insn *a);
/* Whether the ISA has this combination of operation and element (9.7.9.25.4.2, table of
 * .global). */
bool ptx_red_has(ptx_red op, ptx_type element);
/* to[k] = op(to[k], from[k]) for `bytes` of elements, each atomically: other host threads may do
 * the same. With a prime, floating-point numbers are elements of its field, and op is their sum. */
void ptx_reduce(ptx_red op, ptx_type element, u32 prime, void *to, const void *from, u32 bytes);

#endif
