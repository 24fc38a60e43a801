/* Counters: what memory accesses cost in sectors and wavefronts, and, at the end of a launch, the
 * instructions by unit from the hit counts of basic blocks. */
#include "harness/ptx/engine.h"
#include "harness/ptx/lanes.h"

#include <stdlib.h>

enum { SECTOR_SHIFT = 5, BANKS = 32 };

/* Distinct values among v[0..n); n <= 64. */
static u32 count_distinct(u64 *v, u32 n)
{
    bool rising = true;
    u32 distinct = n > 0;
    for (u32 i = 1; i < n; i++) {
        rising &= v[i] >= v[i - 1];
        distinct += v[i] != v[i - 1];
    }
    if (rising)
        return distinct;
    distinct = 0;
    for (u32 i = 0; i < n; i++) {
        u32 seen = 0;
        for (u32 j = 0; j < distinct && !seen; j++)
            seen = v[j] == v[i];
        if (!seen)
            v[distinct++] = v[i];
    }
    return distinct;
}

/* Two bytes a sector of the allocation: read, written. */
static uint8_t *sector_flags(ptx_alloc *a)
{
    uint8_t *s = atomic_load_explicit(&a->sectors, memory_order_acquire);
    if (s)
        return s;
    uint8_t *fresh = ws_calloc(((a->hi - a->lo) >> SECTOR_SHIFT) + 2, 2);
    uint8_t *expected = NULL;
    if (atomic_compare_exchange_strong(&a->sectors, &expected, fresh))
        return fresh;
    free(fresh);
    return expected;
}

void ptx_count_global(ptx_warp *w, const ptx_access *x, ptx_alloc *alloc)
{
    ptx_counters *c = &w->worker->counters;
    uint8_t *flags = sector_flags(alloc);
    u64 sector[PTX_LANES];
    u32 n = 0, lanes = (u32)__builtin_popcount(x->mask);
    EACH_SET(l, x->mask)
    {
        sector[n] = (x->addr[l] - alloc->lo) >> SECTOR_SHIFT;
        uint8_t *f = flags + 2 * sector[n++];
        if (x->read)
            f[0] = 1;
        if (x->write)
            f[1] = 1;
    }
    u32 sectors = count_distinct(sector, n);
    if (x->atomic) {
        c->global_atomic_requests++;
        c->global_atomic_lanes += lanes;
    }
    if (x->write) {
        c->global_st_requests += !x->atomic;
        c->global_st_sectors += sectors;
        c->global_st_bytes += (u64)lanes * x->size;
    }
    if (x->read && !x->atomic) {
        c->global_ld_requests++;
        c->global_ld_sectors += sectors;
        c->global_ld_bytes += (u64)lanes * x->size;
    }
}

/* Wavefronts of a shared access: the most distinct 4-byte words that any bank has to serve. Accesses of 8
 * and 16 bytes go by half and quarter warps. */
static u32 count_wavefronts(const ptx_access *x)
{
    u32 per = x->size <= 4 ? 32 : x->size == 8 ? 16 : 8, words = x->size <= 4 ? 1 : x->size / 4, total = 0;
    for (u32 first = 0; first < PTX_LANES; first += per) {
        u64 seen[BANKS][PTX_LANES];
        uint8_t count[BANKS] = {0};
        u32 most = 0;
        for (u32 l = first; l < first + per; l++) {
            for (u32 k = 0; x->mask >> l & 1 && k < words; k++) {
                u64 word = (x->addr[l] >> 2) + k;
                u32 bank = (u32)(word % BANKS), j = 0;
                while (j < count[bank] && seen[bank][j] != word)
                    j++;
                if (j == count[bank])
                    seen[bank][count[bank]++] = word;
                most = count[bank] > most ? count[bank] : most;
            }
        }
        total += most;
    }
    return total;
}

/* Whether no bank has to serve two words: then the access takes one wavefront. For 4 bytes and less. */
static bool is_free_of_conflicts(const ptx_access *x)
{
    u32 last[BANKS] = {0}, word[PTX_LANES], differs = 0;
    EACH_LANE(l) word[l] = (u32)(x->addr[l] >> 2);
    EACH_SET(l, x->mask) last[word[l] % BANKS] = word[l];
    EACH_LANE(l) differs |= x->mask >> l & 1 ? last[word[l] % BANKS] ^ word[l] : 0;
    return !differs;
}

static u32 wavefronts(const ptx_access *x)
{
    return x->size <= 4 && is_free_of_conflicts(x) ? 1 : count_wavefronts(x);
}

void ptx_count_shared(ptx_warp *w, const ptx_access *x)
{
    ptx_counters *c = &w->worker->counters;
    c->shared_requests++;
    if (x->atomic)
        c->shared_atomic_lanes += (u64)__builtin_popcount(x->mask);
    if (x->mask == PTX_FULL && (ptx_is_uniform(x->addr) || ptx_is_linear(x->addr, x->size)))
        c->shared_wavefronts += ptx_is_uniform(x->addr) ? 1 : x->size <= 4 ? 1 : x->size / 4;
    else
        c->shared_wavefronts += wavefronts(x);
}

static void add_sectors(ptx_grid *g)
{
    for (int i = 0; i < g->mem->n; i++) {
        ptx_alloc *a = g->mem->alloc[i];
        uint8_t *flags = atomic_exchange(&a->sectors, NULL);
        u64 n = ((a->hi - a->lo) >> SECTOR_SHIFT) + 1;
        for (u64 s = 0; flags && s < n; s++) {
            g->report->counters.unique_ld_sectors += flags[2 * s];
            g->report->counters.unique_st_sectors += flags[2 * s + 1];
        }
        free(flags);
    }
}

static void add_blocks(ptx_counters *to, const ptx_program *p, const u64 *hits, const u64 *lanes)
{
    u64 unit[PTX_UNIT_COUNT] = {0}, fma[4] = {0};
    for (u32 b = 0; b < p->n_bbs; b++) {
        u32 insns = 0;
        for (int u = 0; u < PTX_UNIT_COUNT; u++) {
            unit[u] += hits[b] * p->mix[b][u];
            insns += p->mix[b][u];
        }
        for (int f = 0; f < 4; f++)
            fma[f] += lanes[b] * p->fma_mix[b][f];
        to->warp_insns += hits[b] * insns;
        to->thread_insns += lanes[b] * insns;
    }
    to->f32 += unit[PTX_UNIT_F32];
    to->f64 += unit[PTX_UNIT_F64];
    to->f16 += unit[PTX_UNIT_F16];
    to->i32 += unit[PTX_UNIT_I32];
    to->imul += unit[PTX_UNIT_IMUL];
    to->sfu += unit[PTX_UNIT_SFU];
    to->cvt += unit[PTX_UNIT_CVT];
    to->cmp_sel += unit[PTX_UNIT_SELECT];
    to->branch += unit[PTX_UNIT_BRANCH];
    to->mem_insns += unit[PTX_UNIT_MEM];
    to->shuffle_vote += unit[PTX_UNIT_SHUFFLE];
    to->tensor += unit[PTX_UNIT_TENSOR];
    to->f32_fma_lanes += fma[0];
    to->f64_fma_lanes += fma[1];
    to->f16_fma_lanes += fma[2];
}

static u64 larger(u64 a, u64 b)
{
    return a > b ? a : b;
}

static void add_worker(ptx_counters *to, const ptx_counters *c)
{
    to->blocks += c->blocks;
    to->warps += c->warps;
    to->threads += c->threads;
    to->divergent_branch += c->divergent_branch;
    to->barrier_waits += c->barrier_waits;
    to->tensor_flops += c->tensor_flops;
    to->global_ld_requests += c->global_ld_requests;
    to->global_st_requests += c->global_st_requests;
    to->global_ld_sectors += c->global_ld_sectors;
    to->global_st_sectors += c->global_st_sectors;
    to->global_ld_bytes += c->global_ld_bytes;
    to->global_st_bytes += c->global_st_bytes;
    to->global_atomic_requests += c->global_atomic_requests;
    to->global_atomic_lanes += c->global_atomic_lanes;
    to->shared_requests += c->shared_requests;
    to->shared_wavefronts += c->shared_wavefronts;
    to->shared_atomic_lanes += c->shared_atomic_lanes;
    to->local_requests += c->local_requests;
    to->const_requests += c->const_requests;
    to->max_block_warp_insns = larger(to->max_block_warp_insns, c->max_block_warp_insns);
    to->max_warp_insns = larger(to->max_warp_insns, c->max_warp_insns);
}

void ptx_count_finish(ptx_grid *g, ptx_worker *workers, int n)
{
    add_sectors(g);
    if (!g->options->count)
        return;
    for (int k = 0; k < n; k++) {
        add_blocks(&g->report->counters, g->program, workers[k].hits, workers[k].lanes);
        add_worker(&g->report->counters, &workers[k].counters);
    }
}
