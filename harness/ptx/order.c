/* Order through fences with atomics or strong accesses, and through barriers of clusters: release
 * and acquire.
 *
 * Between blocks: a block's time advances at its fences; a strong write behind one releases what
 * came before the last of them, whichever thread executed it: a barrier usually lies between. A
 * location keeps, for every block, the latest time that was released through it; who acquires there
 * takes these over. Inside a unit (a cluster, mostly of one block) the same goes for the clocks of
 * its warps, so that locks and flags order them: a unit has locations of its own for that.
 *
 * Where only the blocks of a cluster can order each other (fences of narrow scope, barriers of
 * clusters), the times are those of the cluster's blocks alone, by rank, and every worker has its
 * own units. Programs with wider fences run on one worker (see count_workers), so nothing here is
 * locked. */
#include "harness/ptx/engine.h"

#include "harness/ptx/cluster.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_BLOCKS = 8192, BUCKETS = 4096, UNIT_BUCKETS = 256 };
#define CLUSTER_BARRIER UINT64_MAX /* stands for its address */

typedef struct location {
    struct location *next;
    uint64_t addr;
    uint32_t *time; /* per block, NULL: none was released */
    ptx_past past;  /* of the unit's warps; cut to what the unit needs */
} location;

struct ptx_clocks {
    uint32_t n;
    bool local;       /* times by rank, in the blocks; else here, by block */
    bool followed;    /* false: too many blocks, everything counts as ordered */
    uint32_t *time;   /* per block, its own */
    uint32_t **known; /* per block: what it acquired, NULL: nothing */
    location *bucket[BUCKETS];
};

struct ptx_locations { /* of a unit */
    location *bucket[UNIT_BUCKETS];
};

struct ptx_clocks *ptx_clocks_new(const ptx_grid *g)
{
    struct ptx_clocks *c = ws_calloc(1, sizeof *c);
    c->local = !ptx_blocks_may_wait(g);
    c->n = c->local ? g->cluster_blocks : g->n_blocks;
    c->followed = c->n <= MAX_BLOCKS;
    if (!c->followed || c->local)
        return c;
    c->time = ws_calloc(c->n, sizeof *c->time);
    c->known = ws_calloc(c->n, sizeof *c->known);
    return c;
}

static void free_locations(location **bucket, int n)
{
    for (int k = 0; k < n; k++)
        for (location *l = bucket[k], *next; l; l = next) {
            next = l->next;
            free(l->time);
            free(l);
        }
}

void ptx_clocks_free(struct ptx_clocks *c)
{
    if (!c)
        return;
    for (uint32_t b = 0; c->known && b < c->n; b++)
        free(c->known[b]);
    free_locations(c->bucket, BUCKETS);
    free(c->time);
    free(c->known);
    free(c);
}

void ptx_order_start(ptx_block *b)
{
    b->fenced = false;
    b->order_time = 0;
    memset(b->known, 0, sizeof b->known);
    if (b->locations)
        free_locations(b->locations->bucket, UNIT_BUCKETS);
    free(b->locations);
    b->locations = NULL;
}

static uint32_t *time_of(struct ptx_clocks *c, ptx_block *b)
{
    return c->local ? &b->order_time : &c->time[b->index];
}

static uint32_t *known_of(struct ptx_clocks *c, ptx_block *b)
{
    if (c->local)
        return b->known;
    if (!c->known[b->index])
        c->known[b->index] = ws_calloc(c->n, sizeof **c->known);
    return c->known[b->index];
}

void ptx_order_fence(ptx_warp *w, bool narrow)
{
    struct ptx_clocks *c = w->worker->clocks;
    w->block->fenced = true;
    if (c && c->followed && !narrow)
        ++*time_of(c, w->block);
}

static location *location_at(location **bucket, uint32_t n, uint64_t addr, uint32_t blocks,
                             bool make)
{
    location **head = &bucket[((addr >> 2) * 0x9e3779b97f4a7c15ull >> 52) % n];
    for (location *l = *head; l; l = l->next)
        if (l->addr == addr)
            return l;
    if (!make)
        return NULL;
    location *l = ws_calloc(1, offsetof(location, past.warp) + blocks * sizeof l->past.warp[0]);
    l->addr = addr;
    l->next = *head;
    *head = l;
    return l;
}

static location *unit_location(ptx_warp *w, uint64_t addr, bool make)
{
    ptx_block *first = ptx_unit_block(w->block);
    if (!first->locations && !make)
        return NULL;
    if (!first->locations)
        first->locations = ws_calloc(1, sizeof *first->locations);
    return location_at(first->locations->bucket, UNIT_BUCKETS, addr,
                       w->worker->grid->cluster_blocks, make);
}

static void join(uint32_t *to, const uint32_t *from, uint32_t n)
{
    for (uint32_t b = 0; b < n; b++)
        to[b] = from[b] > to[b] ? from[b] : to[b];
}

/* Times of blocks, through the location. */
static void order_blocks(struct ptx_clocks *c, ptx_block *b, location *l, bool releases)
{
    if (!l || (!releases && !l->time))
        return;
    uint32_t *known = known_of(c, b);
    if (l->time)
        join(known, l->time, c->n);
    if (!releases)
        return;
    if (!l->time)
        l->time = ws_calloc(c->n, sizeof *l->time);
    known[c->local ? b->rank : b->index] = *time_of(c, b);
    join(l->time, known, c->n);
}

void ptx_order_access(ptx_warp *w, const ptx_insn *i, uint64_t addr, bool write)
{
    struct ptx_clocks *c = w->worker->clocks;
    if (!c || !c->followed)
        return;
    bool releases = write && (w->block->fenced || i->flags & PTX_IF_RELEASE),
         narrow = ptx_is_narrow(i);
    if (releases && i->flags & PTX_IF_RELEASE && !narrow)
        ++*time_of(c, w->block);
    location *l = unit_location(w, addr, releases);
    if (l) {
        ptx_race_acquire(w, &l->past);
        if (releases)
            ptx_race_release(w, &l->past);
    }
    if (narrow)
        return; /* no other block sees it */
    bool inside = c->local || addr >> PTX_WINDOW_SHIFT; /* no other unit sees it, or in time */
    if (!inside)
        order_blocks(c, w->block, location_at(c->bucket, BUCKETS, addr, 0, releases), releases);
    else if (w->worker->grid->cluster_blocks > 1)
        order_blocks(c, w->block, l, releases);
}

void ptx_order_barrier(ptx_warp *w, uint64_t addr, bool release)
{
    struct ptx_clocks *c = w->worker->clocks;
    if (!c || !c->followed || w->worker->grid->cluster_blocks == 1)
        return;
    if (release)
        ++*time_of(c, w->block);
    order_blocks(c, w->block, unit_location(w, addr, release), release);
}

void ptx_order_cluster(ptx_warp *w, bool release)
{
    ptx_order_barrier(w, CLUSTER_BARRIER, release);
}

uint32_t ptx_order_time(const ptx_warp *w)
{
    struct ptx_clocks *c = w->worker->clocks;
    return c && c->followed ? *time_of(c, w->block) : 0;
}

bool ptx_order_has_times(const ptx_worker *k)
{
    return k->clocks && k->clocks->followed && !k->clocks->local;
}

uint32_t ptx_order_time_of(const ptx_worker *k, uint32_t block)
{
    return k->clocks->time[block];
}

static bool is_zero(const uint32_t *v, uint32_t n)
{
    uint32_t any = 0;
    for (uint32_t k = 0; k < n; k++)
        any |= v[k];
    return !any;
}

bool ptx_order_before(const ptx_warp *w, uint32_t block, uint32_t time)
{
    const ptx_grid *g = w->worker->grid;
    const struct ptx_clocks *c = w->worker->clocks;
    if (!c)
        return false;
    if (!c->followed)
        return true;
    const uint32_t *known = c->local ? w->block->known : c->known[w->block->index];
    /* Of reads by several blocks only one time is kept: taken as ordered once anything was
     * acquired. */
    if (block >= g->n_blocks)
        return known && !is_zero(known, c->n);
    if (c->local && ptx_unit_of(g, block) != ptx_unit_of(g, w->block->index))
        return false;
    return known && known[c->local ? ptx_rank_of(g, block) : block] > time;
}
