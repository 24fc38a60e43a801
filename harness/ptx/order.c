/* Order through fences with atomics or strong accesses: release and acquire.
 *
 * Between blocks: a block's time advances at its fences; a strong write behind one releases what came
 * before the last of them, whichever thread executed it: a barrier usually lies between. A location
 * keeps, for every block, the latest time that was released through it; who acquires there takes these
 * over. Inside a block the same goes for the clocks of its warps, so that locks and flags order them.
 *
 * Programs with fences run on one worker, so nothing here is locked. */
#include "harness/ptx/engine.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_BLOCKS = 8192, BUCKETS = 4096 };

typedef struct location {
    struct location *next;
    uint64_t addr;
    uint32_t *time; /* per block */
    uint32_t block; /* whose warps released last, and what they had seen: see race.c */
    uint32_t seen[PTX_LANES];
} location;

struct ptx_clocks {
    uint32_t n;
    bool followed;    /* false: too many blocks, everything counts as ordered */
    uint32_t *time;   /* per block, its own */
    uint32_t **known; /* per block: what it acquired, NULL: nothing */
    location *bucket[BUCKETS];
};

struct ptx_clocks *ptx_clocks_new(uint32_t n_blocks)
{
    struct ptx_clocks *c = ws_calloc(1, sizeof *c);
    c->n = n_blocks;
    c->followed = n_blocks <= MAX_BLOCKS;
    if (!c->followed)
        return c;
    c->time = ws_calloc(n_blocks, sizeof *c->time);
    c->known = ws_calloc(n_blocks, sizeof *c->known);
    return c;
}

void ptx_clocks_free(struct ptx_clocks *c)
{
    if (!c)
        return;
    for (uint32_t b = 0; c->followed && b < c->n; b++)
        free(c->known[b]);
    for (int k = 0; k < BUCKETS; k++)
        for (location *l = c->bucket[k], *next; l; l = next) {
            next = l->next;
            free(l->time);
            free(l);
        }
    free(c->time);
    free(c->known);
    free(c);
}

void ptx_order_fence(ptx_warp *w, bool narrow)
{
    struct ptx_clocks *c = w->worker->grid->clocks;
    w->block->fenced = true;
    if (c && c->followed && !narrow)
        c->time[w->block->index]++;
}

static location *location_at(struct ptx_clocks *c, uint64_t addr, bool make)
{
    location **head = &c->bucket[(addr >> 2) * 0x9e3779b97f4a7c15ull >> 52];
    for (location *l = *head; l; l = l->next)
        if (l->addr == addr)
            return l;
    if (!make)
        return NULL;
    location *l = ws_calloc(1, sizeof *l);
    l->addr = addr;
    l->block = UINT32_MAX;
    l->time = ws_calloc(c->n, sizeof *l->time);
    l->next = *head;
    *head = l;
    return l;
}

static void join(uint32_t *to, const uint32_t *from, uint32_t n)
{
    for (uint32_t b = 0; b < n; b++)
        to[b] = from[b] > to[b] ? from[b] : to[b];
}

/* Of the warps of one block. A location in shared memory is another one in every block. */
static void order_warps(ptx_warp *w, location *l, bool releases)
{
    if (l->block != w->block->index) {
        if (!releases)
            return;
        l->block = w->block->index;
        memset(l->seen, 0, sizeof l->seen);
    }
    ptx_race_acquire(w, l->seen);
    if (releases)
        ptx_race_release(w, l->seen);
}

void ptx_order_access(ptx_warp *w, const ptx_insn *i, uint64_t addr, bool write)
{
    struct ptx_clocks *c = w->worker->grid->clocks;
    if (!c || !c->followed)
        return;
    uint32_t me = w->block->index;
    bool releases = write && (w->block->fenced || i->flags & PTX_IF_RELEASE), narrow = ptx_is_narrow(i);
    if (releases && i->flags & PTX_IF_RELEASE && !narrow)
        c->time[me]++;
    location *l = location_at(c, addr, releases);
    if (l)
        order_warps(w, l, releases);
    if (l && (addr >> PTX_WINDOW_SHIFT || narrow))
        return; /* no other block sees it */
    if (l) {
        if (!c->known[me])
            c->known[me] = ws_calloc(c->n, sizeof **c->known);
        join(c->known[me], l->time, c->n);
    }
    if (releases) {
        c->known[me][me] = c->time[me];
        join(l->time, c->known[me], c->n);
    }
}

uint32_t ptx_order_time(const ptx_warp *w)
{
    const struct ptx_clocks *c = w->worker->grid->clocks;
    return c && c->followed ? c->time[w->block->index] : 0;
}

bool ptx_order_before(const ptx_warp *w, uint32_t block, uint32_t time)
{
    const struct ptx_clocks *c = w->worker->grid->clocks;
    if (!c)
        return false;
    if (!c->followed)
        return true;
    const uint32_t *known = c->known[w->block->index];
    /* Of reads by several blocks only one time is kept: taken as ordered once anything was acquired. */
    return known && (block >= c->n || known[block] > time);
}
