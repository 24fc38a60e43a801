/* Stretches of a block's shared memory that are known to be written all over: bytes stay so once they are, but for
 * targets of copies that are under way. Loads from them look at no state. */
#ifndef HARNESS_PTX_KNOWN_H
#define HARNESS_PTX_KNOWN_H

#include "harness/ptx/engine.h"

/* A known stretch that holds all of [at, at + n), which is within shared memory; NULL: they are not all written. */
const ptx_span *ptx_known_find(ptx_warp *w, uint32_t at, uint32_t n);
/* [at, at + n) of b's shared memory count as unwritten from here on; w: the warp that makes them so. */
void ptx_known_forget(ptx_warp *w, ptx_block *b, uint32_t at, uint32_t n);
/* Nothing is written yet; all counts as written when nobody checks. */
void ptx_known_start(ptx_block *b, uint32_t shared_bytes, bool check_init);

#endif
