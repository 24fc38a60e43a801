/* The accesses that most instructions make: all 32 lanes at one address or at consecutive ones. */
#include "harness/ptx/lanes.h"

#include <string.h>

static u32 lane_bytes(const ptx_insn *i)
{
    return (u32)i->esize * i->vec;
}

bool ptx_fast_shared(ptx_warp *w, const ptx_insn *i, u64 first, bool linear, bool write)
{
    const ptx_grid *g = w->worker->grid;
    ptx_block *b = w->block;
    u32 size = lane_bytes(i), bytes = linear ? size * PTX_LANES : size;
    if (first & (size - 1) || first + bytes > g->shared_bytes || first >= g->shared_bytes)
        return false;
    if (!write && g->options->check_init && !ptx_all_init(b->shared_state + first, bytes))
        return false;
    if (b->shared_shadow && !ptx_race_fast(w, i, first, size, linear, write))
        return false;
    if (write)
        memset(b->shared_state + first, PTX_INIT | PTX_WRITTEN, bytes);
    if (g->options->count) {
        w->worker->counters.shared_requests++;
        w->worker->counters.shared_wavefronts += linear && size > 4 ? size / 4 : 1;
    }
    return true;
}

ptx_alloc *ptx_alloc_at(ptx_warp *w, const ptx_insn *i, u64 lo, u64 bytes)
{
    ptx_alloc **slot = &w->worker->recent[(uintptr_t)i / sizeof *i % WS_COUNT(w->worker->recent)];
    if (ptx_alloc_holds(*slot, lo, bytes))
        return *slot;
    ptx_alloc *a = ptx_memory_find(w->worker->grid->mem, lo);
    return ptx_alloc_holds(a, lo, bytes) ? (*slot = a) : NULL;
}

/* Whether reads of `a` need no look at its state or its shadow. */
static bool is_plain(const ptx_warp *w, const ptx_alloc *a)
{
    const ptx_options *o = w->worker->grid->options;
    return !o->check_race || a->only_read;
}

bool ptx_fast_global(ptx_warp *w, const ptx_insn *i, u64 first, bool linear, bool write)
{
    const ptx_options *o = w->worker->grid->options;
    u32 size = lane_bytes(i);
    u64 bytes = linear ? (u64)size * PTX_LANES : size;
    ptx_alloc *a = ptx_alloc_at(w, i, first, bytes);
    if (first & (size - 1) || !a)
        return false;
    if (write ? a->read_only || !linear : !is_plain(w, a))
        return false;
    if (!write && o->check_init && !a->all_init && !ptx_all_init(a->state + (first - a->lo), bytes))
        return false;
    if (write && o->check_race && !ptx_race_first_write(w, i, a, first, size))
        return false;
    if (write)
        memset(a->state + (first - a->lo), PTX_INIT | PTX_WRITTEN, bytes);
    if (o->count)
        ptx_count_span(w, a, first, bytes, (u64)size * PTX_LANES, write);
    return true;
}

void ptx_fast_written(ptx_warp *w, const ptx_insn *i, u64 first)
{
    u32 bytes = lane_bytes(i) * PTX_LANES;
    if (w->worker->grid->options->check_race)
        ptx_race_note_values(w, ptx_alloc_at(w, i, first, bytes), first, bytes);
}

/* Sectors of 32 addresses that lie within 64 sectors of the lowest, as a bit set; 0: further apart. */
static u64 near_sectors(const u64 *addr, u64 lo, u64 hi)
{
    u64 first = lo >> 5, bits = 0;
    if ((hi >> 5) - first >= 64)
        return 0;
    EACH_LANE(l) bits |= (u64)1 << (((addr[l] >> 5) - first) & 63);
    return bits;
}

bool ptx_fast_gather(ptx_warp *w, const ptx_insn *i, const u64 *addr)
{
    const ptx_options *o = w->worker->grid->options;
    u64 size = lane_bytes(i), lo = addr[0], hi = addr[0], low_bits = 0;
    EACH_LANE(l)
    {
        lo = addr[l] < lo ? addr[l] : lo;
        hi = addr[l] > hi ? addr[l] : hi;
        low_bits |= addr[l];
    }
    ptx_alloc *a = ptx_alloc_at(w, i, lo, hi - lo + size);
    if (!a || low_bits & (size - 1) || !is_plain(w, a) || (o->check_init && !a->all_init))
        return false;
    if (!o->count)
        return true;
    u64 bits = near_sectors(addr, lo, hi); /* allocations begin at a sector */
    if (!bits)
        ptx_count_global(w,
                         &(ptx_access){.insn = i,
                                       .space = PTX_SPACE_GLOBAL,
                                       .mask = PTX_FULL,
                                       .size = (u32)size,
                                       .read = true,
                                       .addr = addr},
                         a);
    else
        ptx_count_gather(w, a, (lo - a->lo) >> 5, bits, size * PTX_LANES);
    return true;
}
