/* Memory that is mapped by hand, as cuMemMap does: a program reserves addresses, and puts
 * allocations at places in them. What stays unmapped is nobody's, so that an access to it is a
 * finding. */
#ifndef HARNESS_PTX_MAP_H
#define HARNESS_PTX_MAP_H

#include "harness/ptx/ptx.h"

/* Addresses that nothing else gets, a multiple of `align` (a power of two); 0: there are none.
 * Whole pages. */
uint64_t ptx_range_reserve(size_t bytes, size_t align);
void ptx_range_release(uint64_t start, size_t bytes);
/* Makes [at, at + bytes) of a reserved range an allocation of zeros that nobody wrote; whole pages.
 * false: something is mapped there, or the memory is not there. */
bool ptx_memory_map(ptx_memory *m, uint64_t at, size_t bytes);
/* `at`: where one begins. */
bool ptx_memory_unmap(ptx_memory *m, uint64_t at);
/* Makes memory of the program itself an allocation: it counts as initialised, and has no guard
 * zones. false: some of it is one already, or there is no memory for its state. */
bool ptx_memory_adopt(ptx_memory *m, uint64_t at, size_t bytes);
/* `at`: where one begins that was adopted. Its contents stay. */
bool ptx_memory_disown(ptx_memory *m, uint64_t at);

#endif
