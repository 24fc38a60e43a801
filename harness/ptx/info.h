/* What a launcher must know of each kernel, from the AST alone: parameters, static memory,
 * limits. */
#ifndef HARNESS_PTX_INFO_H
#define HARNESS_PTX_INFO_H

#include "harness/ptx/ast.h"
#include "harness/ptx/ptx.h"

/* One entry for each .entry with a body, in text order; all in `a`. Shared memory, instructions and
 * local bytes are summed over the functions that the kernel reaches by name, shared memory in the
 * order in which decode.c lays it out; registers are of the function that has most. Fails when a
 * kernel's static shared or local memory is beyond anything a GPU has. */
ws_status ptx_info_collect(const ptx_ast *ast, ws_arena *a, ptx_kernel_info **out, int *n,
                           ws_err *err) WS_MUST_CHECK;

#endif
