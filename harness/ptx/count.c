/* Counters: what memory accesses cost in sectors and wavefronts, and, at the end of a launch, the
 * instructions by unit from the hit counts of basic blocks. */
#include "harness/ptx/engine.h"
#include "harness/ptx/lanes.h"

#include <stdlib.h>

_Static_assert(sizeof(ptx_counters) % sizeof(u64) == 0, "counters are 64-bit words");

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


static u64 sector_count(const ptx_alloc *a)
{
    return ((a->hi - a->lo) >> SECTOR_SHIFT) + 1;
}

/* Each worker has its own, so that none waits for another's cache lines. */
ptx_sectors *ptx_sectors_of(ptx_worker *k, const ptx_alloc *alloc)
{
    for (ptx_sectors *s = k->sectors; s; s = s->next)
        if (s->alloc == alloc)
            return s;
    ptx_sectors *s = ws_calloc(1, sizeof *s);
    s->alloc = alloc;
    s->words = sector_count(alloc) / 64 + 2;
    s->used[0] = ws_calloc(2 * s->words, sizeof *s->used[0]);
    s->used[1] = s->used[0] + s->words;
    s->next = k->sectors;
    k->sectors = s;
    return s;
}

void ptx_sectors_release(ptx_worker *k)
{
    for (ptx_sectors *s = k->sectors, *next; s; s = next) {
        next = s->next;
        free(s->used[0]);
        free(s);
    }
    k->sectors = NULL;
}

static void use_sector(ptx_sectors *s, u64 k, const ptx_access *x)
{
    if (x->read)
        ptx_sectors_use(s, k, 1, false);
    if (x->write)
        ptx_sectors_use(s, k, 1, true);
}

/* Marks the sectors of one request and counts them. */
static u32 use_sectors(ptx_sectors *s, const ptx_access *x, u64 base)
{
    u64 sector[PTX_LANES];
    u32 n = 0;
    if (x->mask == PTX_FULL && ptx_is_linear(x->addr, x->size)) {
        u64 first = (x->addr[0] - base) >> SECTOR_SHIFT,
            last = (x->addr[PTX_LANES - 1] - base + x->size - 1) >> SECTOR_SHIFT;
        for (u64 k = first; k <= last; k++)
            use_sector(s, k, x);
        return (u32)(last - first + 1);
    }
    EACH_SET(l, x->mask)
    {
        u64 k = (x->addr[l] - base) >> SECTOR_SHIFT;
        if (n && sector[n - 1] == k)
            continue;
        use_sector(s, k, x);
        sector[n++] = k;
    }
    return count_distinct(sector, n);
}

void ptx_count_global(ptx_warp *w, const ptx_access *x, ptx_alloc *alloc)
{
    ptx_counters *c = &w->worker->counters;
    u32 lanes = (u32)__builtin_popcount(x->mask),
        sectors = use_sectors(ptx_sectors_of(w->worker, alloc), x, alloc->lo);
    if (x->atomic) {
        c->global_atomic_requests++;
        c->global_atomic_lanes += lanes;
        c->grid_arrivals += alloc->lo == w->worker->grid->workspace ? lanes : 0;
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

/* Wavefronts of a shared access: the most distinct 4-byte words that any bank has to serve.
 * Accesses of 8 and 16 bytes go by half and quarter warps. */
static u32 count_wavefronts(const ptx_access *x)
{
    u32 per = x->size <= 4   ? 32
              : x->size == 8 ? 16
                             : 8,
        words = x->size <= 4 ? 1 : x->size / 4, total = 0;
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

/* Whether no bank has to serve two words: then the access takes one wavefront. For 4 bytes and
 * less. */
static bool is_free_of_conflicts(const ptx_access *x)
{
    u32 word[PTX_LANES], used = 0, twice = 0, lanes = x->mask;
    EACH_LANE(l) word[l] = (u32)(x->addr[l] >> 2);
    if (lanes == PTX_FULL)
        lanes = ptx_distinct(word);
    EACH_SET(l, lanes)
    {
        u32 bank = 1u << word[l] % BANKS;
        twice |= used & bank;
        used |= bank;
    }
    return !twice;
}

u32 ptx_count_wavefronts(const ptx_access *x)
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
        c->shared_wavefronts += ptx_count_wavefronts(x);
}

/* Distinct sectors of one allocation. Blocks that were not run use others too, up to all there
 * are. */
static u64 scaled_sectors(u64 n, u64 all, double scale)
{
    double more = (double)n * scale + 0.5;
    return more < (double)all ? (u64)more : all;
}

/* What all workers used of one allocation, gathered in the first one's set. */
static void add_used(ptx_grid *g, const ptx_alloc *a, ptx_worker *workers, int n, double scale)
{
    ptx_sectors *all = NULL;
    u64 used[2] = {0};
    for (int k = 0; k < n; k++)
        for (ptx_sectors *s = workers[k].sectors; s; s = s->next) {
            if (s->alloc != a)
                continue;
            for (u64 word = 0; all && word < 2 * s->words; word++)
                all->used[0][word] |= s->used[0][word];
            all = all ? all : s;
        }
    for (u64 word = 0; all && word < all->words; word++)
        for (int write = 0; write < 2; write++)
            used[write] += (u64)__builtin_popcountll(all->used[write][word]);
    g->report->counters.unique_ld_sectors += scaled_sectors(used[0], sector_count(a), scale);
    g->report->counters.unique_st_sectors += scaled_sectors(used[1], sector_count(a), scale);
}

/* Whole warps went through every basic block from where they entered to the end of the run. */
static void count_runs(ptx_worker *k)
{
    const ptx_program *p = k->grid->program;
    u64 whole = 0; /* modulo 2^64: what is counted twice is taken off again somewhere */
    for (u32 b = 0; b < p->n_bbs; b++) {
        whole = k->runs[b] + (p->begins_run[b] ? 0 : whole);
        k->hits[b] += whole;
        k->lanes[b] += whole * PTX_LANES;
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

void ptx_count_finish(ptx_grid *g, ptx_worker *workers, int n)
{
    u64 blocks = 0;
    for (int k = 0; k < n; k++)
        blocks += workers[k].counters.blocks;
    double scale = g->sample && blocks ? (double)g->n_blocks / (double)blocks : 1;
    for (int i = 0; i < g->mem->n && g->options->count; i++)
        add_used(g, g->mem->alloc[i], workers, n, scale);
    for (int k = 0; k < n; k++) {
        count_runs(&workers[k]);
        ptx_ops_executed_blocks(g->program, workers[k].hits);
    }
    if (g->options->cover && g->report->coverage)
        ptx_cover_finish(g, workers, n);
    for (int k = 0; k < n && g->options->count; k++) {
        add_blocks(&workers[k].counters, g->program, workers[k].hits, workers[k].lanes);
        workers[k].counters.blocks_run = workers[k].counters.blocks;
        ptx_counters_add(&g->report->counters, &workers[k].counters, scale);
    }
}
