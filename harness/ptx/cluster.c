#include "harness/ptx/cluster.h"

#include "harness/ptx/lanes.h"

#include <stdlib.h>
#include <string.h>

/* Warp instructions of one of a cluster's blocks before the next one has its turn. */
static const int64_t MEMBER_SLICE = 1 << 17;
/* Rounds in which no block does more than to look at shared memory: nobody else can change that. */
enum { DEAD_ROUNDS = 64 };

/* ---- blocks and units ---- */

static void coordinates(uint32_t index, const uint32_t dim[3], uint32_t out[3])
{
    out[0] = index % dim[0];
    out[1] = index / dim[0] % dim[1];
    out[2] = index / dim[0] / dim[1];
}

static void clusters_of(const ptx_grid *g, uint32_t out[3])
{
    for (int d = 0; d < 3; d++)
        out[d] = g->grid[d] / g->cluster[d];
}

uint32_t ptx_unit_of(const ptx_grid *g, uint32_t block)
{
    uint32_t at[3], n[3];
    if (g->cluster_blocks == 1)
        return block;
    coordinates(block, g->grid, at);
    clusters_of(g, n);
    return (at[2] / g->cluster[2] * n[1] + at[1] / g->cluster[1]) * n[0] + at[0] / g->cluster[0];
}

uint32_t ptx_rank_of(const ptx_grid *g, uint32_t block)
{
    uint32_t at[3];
    const uint32_t *c = g->cluster;
    if (g->cluster_blocks == 1)
        return 0;
    coordinates(block, g->grid, at);
    return (at[2] % c[2] * c[1] + at[1] % c[1]) * c[0] + at[0] % c[0];
}

uint32_t ptx_block_index(const ptx_grid *g, uint32_t unit, uint32_t rank)
{
    uint32_t n[3], u[3], r[3];
    if (g->cluster_blocks == 1)
        return unit;
    clusters_of(g, n);
    coordinates(unit, n, u);
    coordinates(rank, g->cluster, r);
    for (int d = 0; d < 3; d++)
        r[d] += u[d] * g->cluster[d];
    return (r[2] * g->grid[1] + r[1]) * g->grid[0] + r[0];
}

struct ptx_cluster *ptx_cluster_of(ptx_block *b)
{
    if (!b->cluster) {
        b->cluster = ws_calloc(1, sizeof *b->cluster);
        b->cluster->n = 1;
        b->cluster->block[0] = b;
    }
    return b->cluster;
}

/* ---- addresses ---- */

static bool has_ended(const ptx_block *b)
{
    return b->done == b->n_warps;
}

ptx_block *ptx_cluster_block(ptx_warp *w, const ptx_insn *i, uint32_t lane, uint32_t rank)
{
    const ptx_grid *g = w->worker->grid;
    if (rank >= g->cluster_blocks) {
        ptx_fault_simple(
            w, i, (int)lane, HX_OUT_OF_BOUNDS,
            "out of bounds: %.*s reaches for the shared memory of block rank %u in a cluster of %u",
            WS_STR_ARG(i->ast->part[0]), rank, g->cluster_blocks);
        return NULL;
    }
    ptx_block *b = rank == w->block->rank ? w->block : w->block->cluster->block[rank];
    if (!has_ended(b))
        return b;
    ptx_fault_simple(
        w, i, (int)lane, HX_SHARED_RACE,
        "race: potential invalid shared access in the memory of block (%u,%u,%u) that has already "
        "exited; found",
        b->ctaid[0], b->ctaid[1], b->ctaid[2]);
    return NULL;
}

ptx_block *ptx_cluster_target(ptx_warp *w, const ptx_insn *i, uint32_t lane, uint64_t *addr)
{
    uint64_t tag = *addr >> PTX_RANK_SHIFT;
    if (!tag)
        return w->block;
    *addr &= (1u << PTX_RANK_SHIFT) - 1;
    return ptx_cluster_block(w, i, lane, tag > PTX_MAX_CLUSTER ? UINT32_MAX : (uint32_t)tag - 1);
}

ptx_block *ptx_shared_target(ptx_warp *w, const ptx_insn *i, uint32_t lane, uint64_t *addr)
{
    if (i->space == PTX_SPACE_GENERIC) {
        if (*addr >> PTX_WINDOW_SHIFT != PTX_WINDOW_SHARED >> PTX_WINDOW_SHIFT) {
            ptx_fault_simple(w, i, (int)lane, HX_ILLEGAL,
                             "illegal: %.*s takes an address of shared memory",
                             WS_STR_ARG(i->ast->part[0]));
            return NULL;
        }
        *addr -= PTX_WINDOW_SHARED;
    } else if (i->space == PTX_SPACE_SHARED && *addr >> PTX_RANK_SHIFT != w->block->rank + 1) {
        return w->block; /* bounds are checked there */
    }
    return ptx_cluster_target(w, i, lane, addr);
}

/* ---- the barrier ---- */

void ptx_cluster_fence(ptx_warp *w)
{
    struct ptx_cluster *c = w->block->cluster;
    if (c)
        c->fenced[w->block->rank][w->id] = true;
}

void ptx_cluster_complete(struct ptx_cluster *c)
{
    uint32_t arrivals = 0;
    for (uint32_t r = 0; r < c->n; r++)
        for (int n = 0; n < c->block[r]->n_warps; n++) {
            if (c->block[r]->warp[n].live & ~c->arrived[r][n])
                return;
            arrivals |= c->arrived[r][n];
        }
    if (!arrivals)
        return;
    c->done = c->arriving;
    ptx_past_clear(&c->arriving);
    memset(c->arrived, 0, sizeof c->arrived);
}

bool ptx_cluster_arrived(const ptx_warp *w, uint32_t mask)
{
    return !(mask & w->block->cluster->arrived[w->block->rank][w->id]);
}

bool ptx_cluster_wakes(const ptx_warp *w)
{
    for (int k = 0; k < w->n_parked; k++)
        if (w->parked[k].wait == PTX_WAIT_CLUSTER && ptx_cluster_arrived(w, w->parked[k].mask))
            return true;
    return false;
}

/* ---- life ---- */

ptx_block *ptx_unit_start(ptx_worker *k, uint32_t unit, uint32_t turn)
{
    const ptx_grid *g = k->grid;
    if (g->cluster_blocks == 1)
        return ptx_block_start(k, unit, turn);
    struct ptx_cluster *c = ws_calloc(1, sizeof *c);
    c->n = g->cluster_blocks;
    c->rng = (g->options->seed + 1) * 0x9e3779b97f4a7c15ull + unit;
    for (uint32_t r = 0; r < c->n; r++) {
        c->block[r] = ptx_block_start(k, ptx_block_index(g, unit, r), turn);
        c->block[r]->cluster = c;
        c->block[r]->rank = r;
    }
    if (g->options->check_race && g->shared_bytes)
        ptx_race_cluster(c);
    return c->block[0];
}

static void each_block(ptx_worker *k, ptx_block *first, bool recycle)
{
    struct ptx_cluster *c = first->cluster;
    uint32_t n = c ? c->n : 1;
    for (uint32_t r = 0; r < n; r++) {
        ptx_block *b = c ? c->block[r] : first;
        b->cluster = NULL;
        if (recycle)
            ptx_block_recycle(k, b);
        else
            ptx_block_free(b);
    }
    free(c);
}

void ptx_unit_recycle(ptx_worker *k, ptx_block *first)
{
    each_block(k, first, true);
}

void ptx_unit_free(ptx_block *first)
{
    each_block(NULL, first, false);
}

/* ---- running ---- */

/* The n-th of the cluster's blocks to take its turn. */
static ptx_block *nth_block(const struct ptx_cluster *c, ptx_schedule schedule, uint32_t n,
                            uint64_t first)
{
    return c->block[schedule == PTX_SCHED_REVERSE  ? c->n - 1 - n
                    : schedule == PTX_SCHED_RANDOM ? (n + first) % c->n
                                                   : n];
}

typedef struct round {
    uint32_t ended, stuck,
        waiting; /* blocks: ended, whose warps all wait at barriers, that only look at memory */
} round;

static bool run_round(ptx_worker *k, struct ptx_cluster *c, round *r)
{
    c->rng = c->rng * 6364136223846793005ull + 1442695040888963407ull;
    for (uint32_t n = 0; n < c->n; n++) {
        ptx_block *b = nth_block(c, k->grid->options->schedule, n, c->rng >> 33);
        ptx_block_end end = has_ended(b) ? PTX_BLOCK_DONE : ptx_block_run(k, b, MEMBER_SLICE);
        if (end == PTX_BLOCK_STOPPED)
            return false;
        r->ended += end == PTX_BLOCK_DONE;
        r->stuck += end == PTX_BLOCK_STUCK;
        r->waiting += end == PTX_BLOCK_WAITS;
        ptx_cluster_complete(c); /* threads may have exited */
    }
    return true;
}

static bool any_wakes(const struct ptx_cluster *c)
{
    for (uint32_t r = 0; r < c->n; r++)
        for (int n = 0; n < c->block[r]->n_warps; n++)
            if (c->block[r]->warp[n].state == PTX_WARP_AT_CLUSTER &&
                ptx_cluster_wakes(&c->block[r]->warp[n]))
                return true;
    return false;
}

static ptx_block_end run_cluster(ptx_worker *k, struct ptx_cluster *c, int64_t slice)
{
    for (int64_t used = 0; used < slice; used += MEMBER_SLICE * c->n) {
        round r = {0};
        if (!run_round(k, c, &r))
            return PTX_BLOCK_STOPPED;
        if (r.ended == c->n)
            return PTX_BLOCK_DONE;
        if (any_wakes(c))
            continue;
        if (r.ended + r.stuck == c->n)
            return PTX_BLOCK_STUCK;
        if (r.ended + r.stuck + r.waiting == c->n)
            return PTX_BLOCK_WAITS;
    }
    return PTX_BLOCK_AGAIN;
}

static bool polls_shared(const ptx_warp *w)
{
    const ptx_insn *i = w->poll;
    return w->polled && i &&
           (ws_str_eqz(i->ast->part[0], "mbarrier") || i->space == PTX_SPACE_SHARED ||
            i->space == PTX_SPACE_CLUSTER ||
            (i->space == PTX_SPACE_GENERIC &&
             w->poll_addr >> PTX_WINDOW_SHIFT == PTX_WINDOW_SHARED >> PTX_WINDOW_SHIFT));
}

/* Whether nothing outside the unit can let its warps go on. */
static bool waits_for_itself(const struct ptx_cluster *c)
{
    for (uint32_t r = 0; r < c->n; r++)
        for (int n = 0; n < c->block[r]->n_warps; n++) {
            const ptx_warp *w = &c->block[r]->warp[n];
            if (w->state == PTX_WARP_READY && !polls_shared(w))
                return false;
        }
    return true;
}

ptx_block_end ptx_unit_run(ptx_worker *k, ptx_block *first, int64_t slice)
{
    bool several = first->cluster && first->cluster->n > 1;
    ptx_block_end end =
        several ? run_cluster(k, first->cluster, slice) : ptx_block_run(k, first, slice);
    if (end == PTX_BLOCK_WAITS) {
        struct ptx_cluster *c = ptx_cluster_of(first);
        c->idle_rounds = waits_for_itself(c) ? c->idle_rounds + 1 : 0;
        if (c->idle_rounds == DEAD_ROUNDS)
            end = PTX_BLOCK_STUCK;
    } else if (first->cluster) {
        first->cluster->idle_rounds = 0;
    }
    if (end != PTX_BLOCK_STUCK)
        return end;
    ptx_deadlock(first);
    return PTX_BLOCK_STOPPED;
}
