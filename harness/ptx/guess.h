/* The first guesses of compare-and-swap loops, as the CUDA manual writes them: plain loads whose
 * address a compare-and-swap further down takes too, or whose value it compares with. A stale guess
 * costs a turn of the loop, so such a load counts as a strong one. */
#ifndef HARNESS_PTX_GUESS_H
#define HARNESS_PTX_GUESS_H

#include "harness/ptx/ast.h"

typedef struct ptx_guesses ptx_guesses;
/* Of a function's compare-and-swaps; in time n log n of its instructions. */
ptx_guesses *ptx_guesses_new(const ptx_func *f);
void ptx_guesses_free(ptx_guesses *g);
/* Whether the load is one. */
bool ptx_is_first_guess(const ptx_guesses *g, const ptx_ast_insn *load);

#endif
