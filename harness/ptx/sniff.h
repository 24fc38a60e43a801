/* Code that takes an address for a number: where memory lies tells one machine from another, and
 * what a kernel does may depend on its inputs alone. The low bits of an address are alignment, and
 * free; so are differences of addresses, comparisons of two of them, and with NULL. */
#ifndef HARNESS_PTX_SNIFF_H
#define HARNESS_PTX_SNIFF_H

#include "harness/ptx/ast.h"

/* The first instruction of a kernel that lets bit PTX_SNIFF_BIT of an address, or a higher one,
 * decide something; NULL: none. Follows registers, not memory and not calls. */
enum { PTX_SNIFF_BIT = 20 };
const ptx_ast_insn *ptx_find_sniffed(const ptx_func *kernel);

#endif
