/* What bulk copies share: one thread's accesses to whole ranges, and bulk async-groups.
 *
 * A copy reads its source when it is issued. What it brings to shared memory arrives when somebody
 * looks at its mbarrier (x_mbarrier.c); what it brings to global memory, when its thread waits for
 * its group, or exits. Until then the target counts as uninitialised, and the source may not be
 * written. */
#ifndef HARNESS_PTX_BULK_H
#define HARNESS_PTX_BULK_H

#include "harness/ptx/reduce.h"

/* Accesses that one lane's copy makes, gathered so that many are checked in one step. */
typedef struct ptx_pieces {
    ptx_warp *w;
    const ptx_insn *i;
    u32 lane;
    ptx_space space;
    ptx_block *block; /* whose shared memory; NULL: the warp's own */
    bool write, atomic;
    u32 size, n; /* bytes of each, how many wait to be checked */
    u64 addr[PTX_LANES] __attribute__((aligned(64)));
    const uint8_t *from[PTX_LANES]; /* what is written */
    bool has_from;
} ptx_pieces;

/* `bytes` from addr, in pieces of at most 16 bytes and at least `least`. `from`: what is written
 * there; NULL when that is not known. false: a fault was reported. */
bool ptx_pieces_add(ptx_pieces *p, u64 addr, u32 bytes, u32 least, const uint8_t *from);
bool ptx_pieces_flush(ptx_pieces *p);
/* One range. */
bool ptx_bulk_watch(ptx_warp *w, const ptx_insn *i, ptx_space space, u32 lane, u64 addr, u32 bytes,
                    bool write, bool atomic, u32 least);

typedef struct ptx_bulk_run { /* bytes that are on their way to global memory */
    u64 to;
    u32 at, bytes; /* in data */
} ptx_bulk_run;

/* Takes over the runs and data, which may be NULL, into the lane's open group. Until the lane waits
 * for it, the copy reads `bytes` of the block's shared memory from `lo` on. */
void ptx_bulk_issue(ptx_warp *w, const ptx_insn *i, u32 lane, u32 lo, u32 bytes, ptx_bulk_run *run,
                    u32 n_runs, uint8_t *data);
/* The lanes' open groups are committed, and new ones begin. */
void ptx_bulk_commit(ptx_warp *w, u32 lanes);
/* Waits for all groups of the lanes but the last `keep`; `read_only`: until their sources were
 * read. */
void ptx_bulk_wait(ptx_warp *w, u32 lanes, u32 keep, bool read_only);

#endif
