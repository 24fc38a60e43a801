/* Strong stores to global memory that other blocks see late.
 *
 * A volatile or relaxed store reaches other blocks at some time, and two of them in any order unless
 * a fence of the whole GPU stands between. The engine has one memory, in which every store is seen
 * at once. Where turns are shuffled it keeps what such a store has replaced, and other blocks' strong
 * loads still take that, a few times at most, until a fence of the storing block, or a releasing
 * access, shows all that came before. Atomics act on memory itself. Plain accesses have no part in
 * it: without order they race.
 *
 * Only where blocks may wait for each other, which then run on one worker. */
#ifndef HARNESS_PTX_LATE_H
#define HARNESS_PTX_LATE_H

#include "harness/ptx/engine.h"

struct ptx_late;
/* By the lanes of `mask`: a store that is about to be made, a load that was made. */
void ptx_late_store(ptx_warp *w, const ptx_insn *i, uint32_t mask, const uint64_t *addr);
void ptx_late_load(ptx_warp *w, const ptx_insn *i, uint32_t mask, const uint64_t *addr);
void ptx_late_atomic(ptx_warp *w, uint32_t mask, const uint64_t *addr, uint32_t bytes);
/* After the launch. The report's note names a load that took what was there before, unless it has
 * one. */
void ptx_late_end(ptx_worker *k);

#endif
