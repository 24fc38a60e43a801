#include "harness/ptx/late.h"

#include "harness/ptx/lanes.h"
#include "harness/ptx/x_mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLACES = 1 << 12, /* a power of two */
    WORD = 4,         /* bytes, what stores begin at */
    MOST_BYTES = 32,  /* of a lane's access, and of a sector: no access lies in two */
    MOST_LATE = 3     /* loads that take the old value */
};

/* A lane's store. What it does not write of its words is not late. */
typedef struct late_store {
    uint64_t addr;      /* a multiple of WORD; 0: none */
    const ptx_insn *by;
    uint32_t block, time; /* see order.c */
    uint32_t bytes;     /* a bit for each from addr on that is late */
    uint32_t stamp;     /* of the last load that took the old value */
    uint8_t left;       /* loads that may still take it */
    uint8_t old[MOST_BYTES];
} late_store;

/* A store whose place another one needs is seen by all. */
struct ptx_late {
    uint64_t some[PLACES / 64]; /* bits of the sectors that had any: most that is polled had none */
    late_store place[PLACES];
    uint32_t stamp;           /* of loads */
    /* The last one whose old value a load took that did not look again: who waits loses nothing. */
    uint64_t told_addr;
    const ptx_insn *told, *told_by;
};

static late_store *place_of(struct ptx_late *late, uint64_t addr)
{
    return &late->place[(addr / WORD * 0x9e3779b97f4a7c15ull >> 40) % PLACES];
}

static uint32_t sector_of(uint64_t addr)
{
    return (uint32_t)(addr / MOST_BYTES * 0x9e3779b97f4a7c15ull >> 40) % PLACES;
}

static bool had_any(const struct ptx_late *late, uint64_t addr)
{
    return late->some[sector_of(addr) / 64] >> sector_of(addr) % 64 & 1;
}

/* Where stores begin that an access from `lo` on may meet. */
#define EACH_BEGIN(at, lo, hi)                                                                     \
    for (uint64_t at = (lo) & ~(uint64_t)(MOST_BYTES - 1); at < (hi); at += WORD)

/* The bytes from lo on and before hi, a bit each, counted from `begin`. */
static uint32_t bits_of(uint64_t begin, uint64_t lo, uint64_t hi)
{
    const uint64_t from = lo > begin ? lo - begin : 0, to = hi > begin ? hi - begin : 0;
    const uint64_t all = to < MOST_BYTES ? (1ull << to) - 1 : UINT32_MAX;
    return from < MOST_BYTES ? (uint32_t)(all >> from << from) : 0;
}

static bool is_late(const ptx_worker *k, const late_store *s)
{
    return s->left && s->time == ptx_order_time_of(k, s->block);
}

/* The store at `begin` that has some of these bytes; NULL: none. */
static late_store *find(struct ptx_late *late, uint64_t begin, uint64_t lo, uint64_t hi)
{
    late_store *s = place_of(late, begin);
    return s->addr == begin && s->bytes & bits_of(begin, lo, hi) ? s : NULL;
}

/* What was there before all of a block's late stores to one place stays. */
static void keep(ptx_warp *w, const ptx_insn *i, uint64_t lo, uint64_t hi)
{
    struct ptx_late *late = w->worker->late;
    const uint64_t begin = lo & ~(uint64_t)(WORD - 1);
    late_store *mine = place_of(late, begin), *s;
    const uint32_t bytes = bits_of(begin, lo, hi);
    const bool more = mine->addr == begin && mine->block == w->block->index &&
                      mine->bytes == bytes && is_late(w->worker, mine);
    EACH_BEGIN(at, lo, hi)
        if ((s = find(late, at, lo, hi)) && !(more && s == mine))
            s->addr = 0;
    mine->by = i;
    if (more)
        return;
    *mine = (late_store){.addr = begin,
                         .by = i,
                         .block = w->block->index,
                         .time = ptx_order_time(w),
                         .bytes = bytes,
                         .left = (uint8_t)(ptx_block_random(w->block) % (MOST_LATE + 1))};
    late->some[sector_of(lo) / 64] |= 1ull << sector_of(lo) % 64;
    memcpy(mine->old + (lo - begin), (const void *)(uintptr_t)lo, hi - lo);
}

void ptx_late_store(ptx_warp *w, const ptx_insn *i, uint32_t mask, const uint64_t *addr)
{
    ptx_worker *k = w->worker;
    const uint32_t bytes = (uint32_t)i->esize * i->vec;
    if (k->grid->options->schedule != PTX_SCHED_RANDOM || ptx_is_narrow(i) ||
        !ptx_order_has_times(k))
        return;
    if (!k->late)
        k->late = ws_calloc(1, sizeof *k->late);
    EACH_SET(l, mask) keep(w, i, addr[l], addr[l] + bytes);
}

void ptx_late_atomic(ptx_warp *w, uint32_t mask, const uint64_t *addr, uint32_t bytes)
{
    late_store *s;
    EACH_SET(l, mask)
        EACH_BEGIN(at, addr[l], addr[l] + bytes)
            if ((s = find(w->worker->late, at, addr[l], addr[l] + bytes)))
                s->addr = 0;
}

/* Whether a load takes what was there before: all of its lanes do, or none. */
static bool takes_old(ptx_warp *w, const ptx_insn *i, late_store *s)
{
    struct ptx_late *late = w->worker->late;
    if (late->told_addr == s->addr && late->told == i)
        late->told = NULL;
    if (s->stamp == late->stamp)
        return true;
    if (!is_late(w->worker, s))
        return false;
    s->stamp = late->stamp;
    s->left--;
    late->told_addr = s->addr;
    late->told = i;
    late->told_by = s->by;
    return true;
}

/* Puts what was there before into the copy of what a lane loaded; false: nothing was late. */
static bool put_old(ptx_warp *w, const ptx_insn *i, uint64_t lo, uint64_t hi, uint8_t *copy)
{
    bool any = false;
    EACH_BEGIN(at, lo, hi)
    {
        late_store *s = find(w->worker->late, at, lo, hi);
        if (!s || s->block == w->block->index || !takes_old(w, i, s))
            continue;
        EACH_SET(b, s->bytes & bits_of(at, lo, hi)) copy[at + b - lo] = s->old[b];
        any = true;
    }
    return any;
}

/* Of the lanes `mask`. */
static void load_again(ptx_warp *w, const ptx_insn *i, uint32_t mask, const uint64_t *addr)
{
    uint8_t buf[PTX_LANES * PTX_MAX_ACCESS] __attribute__((aligned(64)));
    const uint32_t bytes = (uint32_t)i->esize * i->vec;
    uint32_t old = 0;
    w->worker->late->stamp++;
    EACH_SET(l, mask)
    {
        uint8_t *copy = buf + (size_t)l * PTX_MAX_ACCESS;
        memcpy(copy, (const void *)(uintptr_t)addr[l], bytes);
        old |= (uint32_t)put_old(w, i, addr[l], addr[l] + bytes, copy) << l;
    }
    if (old)
        ptx_mem_spread(w, i, old, buf);
}

void ptx_late_load(ptx_warp *w, const ptx_insn *i, uint32_t mask, const uint64_t *addr)
{
    uint32_t some = 0;
    EACH_SET(l, mask) some |= (uint32_t)had_any(w->worker->late, addr[l]) << l;
    if (some)
        load_again(w, i, some, addr);
}

void ptx_late_end(ptx_worker *k)
{
    const ptx_grid *g = k->grid;
    ptx_report *r = g->report;
    if (k->late && k->late->told && !r->note[0]) {
        r->note_line = ptx_insn_place(g->ast, k->late->told->ast).line;
        snprintf(r->note, sizeof r->note,
                 "the load at line %d may take what was there before the store at line %d: no "
                 "__threadfence() after that store, and before what tells of it, makes it seen",
                 r->note_line, ptx_insn_place(g->ast, k->late->told_by->ast).line);
    }
    free(k->late);
    k->late = NULL;
}
