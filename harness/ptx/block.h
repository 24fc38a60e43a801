/* One block: its warps take turns until all are done. */
#ifndef HARNESS_PTX_BLOCK_H
#define HARNESS_PTX_BLOCK_H

#include "harness/ptx/engine.h"

/* WAITS: all its warps wait for memory to change. STUCK: all wait at barriers. */
typedef enum ptx_block_end {
    PTX_BLOCK_DONE, PTX_BLOCK_AGAIN, PTX_BLOCK_WAITS, PTX_BLOCK_STUCK, PTX_BLOCK_STOPPED
} ptx_block_end;

/* A block of the worker's grid, ready to run as number `index`, the turn-th of the launch; recycled
 * ones are taken first. */
ptx_block *ptx_block_start(ptx_worker *k, uint32_t index, uint32_t turn);
/* Reports who waits for what in the block, or in its cluster. */
void ptx_deadlock(ptx_block *b);
/* Runs until it is done, has used about `slice` warp instructions, or the launch stops. */
ptx_block_end ptx_block_run(ptx_worker *k, ptx_block *b, int64_t slice);
void ptx_block_recycle(ptx_worker *k, ptx_block *b);
void ptx_block_free(ptx_block *b);
/* Adds `insns` to the launch's account; ends it (stop) when the budget or the time is used up. */
void ptx_account(ptx_warp *w, uint64_t insns);

#endif
