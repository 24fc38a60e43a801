/* The cache model of counting runs: what L1, L2 and DRAM deliver. What it leaves out is said in cache.c. */
#ifndef HARNESS_PTX_CACHE_H
#define HARNESS_PTX_CACHE_H

#include "harness/ptx/engine.h"

/* Distinct sectors, read and written: of the blocks that were run, and of the launch as scaled from them. */
typedef struct ptx_own_sectors {
    uint64_t own[2], all[2];
} ptx_own_sectors;

struct ptx_cache_state *ptx_cache_new(const ptx_grid *g);
void ptx_cache_free(struct ptx_cache_state *c);
/* One instruction's use of the allocation's sectors first + b, for every bit b of `use`. */
void ptx_cache_use(ptx_warp *w, const ptx_insn *i, const ptx_sectors *s, uint64_t first, uint64_t use, bool read,
                   bool write);
/* Units that are on the machine at once, and take turns. */
uint32_t ptx_cache_units(const ptx_grid *g);
/* What is dirty is written back. The worker's counters become such as give the launch's when they are scaled. */
void ptx_cache_finish(ptx_worker *k, const ptx_own_sectors *d, double scale);

#endif
