/* Allocations that kernels may read and not write: the inputs of a plan. */
#ifndef HARNESS_PTX_PROTECT_H
#define HARNESS_PTX_PROTECT_H

#include "harness/ptx/ptx.h"

/* A store to it from now on is a finding INPUT_MODIFIED, also of what is there already. `at`: where
 * one begins. */
bool ptx_memory_protect(ptx_memory *m, uint64_t at);

#endif
