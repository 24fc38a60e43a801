/* Clusters of blocks: which blocks are one, and whose shared memory an address means.
 *
 * An address of the window .shared::cluster has the rank of its block plus one in the bits from
 * PTX_RANK_SHIFT on; zero there is the block of the thread itself, so that an address of
 * .shared::cta is also one of .shared::cluster. A launch without clusters has clusters of one
 * block. */
#ifndef HARNESS_PTX_CLUSTER_H
#define HARNESS_PTX_CLUSTER_H

#include "harness/ptx/block.h"

struct ptx_cluster {
    ptx_block *block[PTX_MAX_CLUSTER]; /* by rank */
    uint32_t n;
    uint32_t idle_rounds;              /* in which all did nothing but look at shared memory */
    uint64_t rng;
    /* The barrier: a lane's bit stands from its arrival until all threads that have not exited have
     * arrived. */
    uint32_t arrived[PTX_MAX_CLUSTER][PTX_LANES]; /* per block and warp */
    uint32_t waited[PTX_MAX_CLUSTER]
                   [PTX_LANES]; /* lanes that may wait: they have arrived since the last time */
    bool fenced[PTX_MAX_CLUSTER]
               [PTX_LANES]; /* before the next arrival; what is .relaxed releases then, too */
    ptx_past arriving, done;
};

/* ---- blocks and units ---- */

/* The cluster of a block, and its place in it, by the block's linear index. */
uint32_t ptx_unit_of(const ptx_grid *g, uint32_t block);
uint32_t ptx_rank_of(const ptx_grid *g, uint32_t block);
/* The linear index of the block of a rank in a unit. */
uint32_t ptx_block_index(const ptx_grid *g, uint32_t unit, uint32_t rank);
static inline ptx_block *ptx_unit_block(ptx_block *b) /* the unit's first */
{
    return b->cluster ? b->cluster->block[0] : b;
}
struct ptx_cluster *ptx_cluster_of(ptx_block *b); /* made where there is none yet */

/* ---- addresses of .shared::cluster ---- */

/* The block of that rank. NULL: there is none, or it has ended; a fault was reported. */
ptx_block *ptx_cluster_block(ptx_warp *w, const ptx_insn *i, uint32_t lane, uint32_t rank);
/* The block whose shared memory holds the lane's address, which becomes the offset in it. NULL: as
 * above */
ptx_block *ptx_cluster_target(ptx_warp *w, const ptx_insn *i, uint32_t lane, uint64_t *addr);

/* The same for an address of i->space: generic, .shared::cta or .shared::cluster. */
ptx_block *ptx_shared_target(ptx_warp *w, const ptx_insn *i, uint32_t lane, uint64_t *addr);

/* ---- the barrier ---- */

/* The warp has executed a fence that orders the blocks of the cluster. */
void ptx_cluster_fence(ptx_warp *w);

/* Lets those that wait go on when all have arrived or exited. */
void ptx_cluster_complete(struct ptx_cluster *c);
/* Whether the barrier is over for lanes that have arrived. */
bool ptx_cluster_arrived(const ptx_warp *w, uint32_t mask);
/* Whether lanes of a warp that waits at the barrier may go on. */
bool ptx_cluster_wakes(const ptx_warp *w);

/* ---- running ---- */

/* The next unit to run, and the how manieth that is; false: all have started, or the launch
 * stops. */
bool ptx_unit_next(ptx_grid *g, uint32_t *index, uint32_t *turn);
ptx_block *ptx_unit_start(ptx_worker *k, uint32_t unit, uint32_t turn); /* its first block */
ptx_block_end ptx_unit_run(ptx_worker *k, ptx_block *first, int64_t slice);
void ptx_unit_recycle(ptx_worker *k, ptx_block *first);
void ptx_unit_free(ptx_block *first);

#endif
