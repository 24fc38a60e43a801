/* Comparisons of setp and set (PTX ISA 9.7.6, 9.7.7): the 18 operators come down to five base tests
 * whose operands may be swapped and whose result may be inverted. */
#ifndef HARNESS_PTX_COMPARE_H
#define HARNESS_PTX_COMPARE_H

#include "harness/ptx/alu.h"
#include "harness/ptx/lanes.h"

/* All are false with a NaN. */
enum { CMP_EQ, CMP_LT, CMP_LE, CMP_LG /* less or greater */, CMP_NUM, CMP_BASES };
#define CMP_TEST(base, x, y)                                                                       \
    ((base) == CMP_EQ ? (x) == (y) : (base) == CMP_LT ? (x) < (y) : (base) == CMP_LE ? (x) <= (y)  \
     : (base) == CMP_LG ? ((x) < (y)) | ((x) > (y)) : ((x) == (x)) & ((y) == (y)))

/* Reads operator, boolean operator and the predicate it takes into op, c, type and imm of i; the
 * operands compared go to a and b, swapped when need be. The base test is returned, -1: not such a
 * comparison. */
int ptx_cmp_decode(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i, bool is_float);

/* BoolOp(t, c) of `set` and of setp's first destination; t without the inversion of imm. */
static inline u32 ptx_cmp_bool(const ptx_warp *w, const ptx_insn *i, u32 t)
{
    u32 c = w->pred[i->c] ^ (0 - (u32)i->type);
    return i->op == 0 ? t : i->op == 1 ? t & c : i->op == 2 ? t | c : t ^ c;
}

/* setp with a boolean operator; t is not inverted any more. */
void ptx_cmp_store_bool(ptx_warp *w, const ptx_insn *i, u32 t);

/* setp: d = BoolOp(t, c), d2 = BoolOp(!t, c) */
static inline void ptx_cmp_store(ptx_warp *w, const ptx_insn *i, u32 t)
{
    t ^= (u32)i->imm;
    if (__builtin_expect(i->op != 0, 0)) {
        ptx_cmp_store_bool(w, i, t);
        return;
    }
    ptx_set_pred(w, i->d, t);
    ptx_set_pred(w, i->d2, ~t);
}

#endif
