/* Registers of a function that are never in use together share a place, so that a frame of the
 * large kernels (tens of thousands of virtual registers) stays in the cache. */
#ifndef HARNESS_PTX_COMPACT_H
#define HARNESS_PTX_COMPACT_H

#include "harness/ptx/ast.h"

/* Registers of one class share places. Lanes of one width lie apart in a place of that width only:
 * threads that have diverged use the same place for different registers. */
enum { PTX_PLACE_PRED, PTX_PLACE_1, PTX_PLACE_2, PTX_PLACE_4, PTX_PLACE_8, PTX_PLACE_16,
       PTX_PLACES };
int ptx_place_class(ptx_type t);

/* place[r]: that of register r, counted from 0 in its class; count: of places by class. Bit o of
 * results[i] tells that instruction i writes the registers of its operand o on all executing lanes
 * without a look at what they hold; other registers that it names are read. A register that may be
 * read before it is written, shares with none: what it holds undefined is not another one's
 * value. */
void ptx_compact(const ptx_func *f, const uint16_t *results, uint32_t *place,
                 uint32_t count[PTX_PLACES]);

typedef enum ptx_reg_use { PTX_REG_READ, PTX_REG_ADDRESS, PTX_REG_WRITTEN } ptx_reg_use;
typedef void (*ptx_reg_visit)(void *ud, int at, int reg, ptx_reg_use use);
/* The registers of an instruction's operands, those that it reads first; `results` as above. Not
 * the guard. */
void ptx_visit_registers(const ptx_ast_insn *a, uint16_t results, int at, ptx_reg_visit visit,
                         void *ud);

#endif
