/* The caches of a GPU, for the sectors that one worker's blocks use: an L1 per SM and one L2, of lines of 128 bytes
 * whose four sectors come and go one by one, set-associative, least recently used out first.
 *
 * L1 takes loads that do not ask to pass it by; stores go through it and change nothing in it. L2 takes everything,
 * does the atomics, and keeps what is written until it is pushed out, or the launch ends. A store needs nothing from
 * DRAM, even of a part of a sector. Caches are empty when a launch begins. Local memory, constants, instructions, and
 * the copies that the two halves of some L2s keep for each other are left out.
 *
 * Blocks take turns of some thousand instructions, as many at once as the machine holds, each on the SM of its place in
 * the order of the launch; so hits follow from the schedule alone. An L1 is what the shared memory of the resident
 * blocks leaves. In a sample blocks run one after the other, and stand for all that would run beside them: each gets its
 * share of the caches, and what it finds missing in L2 besides its first touch is counted for all blocks, while the
 * first touches are the launch's distinct sectors, as if blocks found what others brought. When all that a launch uses
 * fits in L2, there are only first touches. */
#include "harness/ptx/cache.h"

#include "harness/ptx/lanes.h"

#include <stdlib.h>

enum { LINE = 128, LINE_SECTORS = 4, SECTOR = 32, LEAST_WAYS = 16, LEAST_L1 = 16 << 10, ALL = 15, MAX_SMS = 1024 };
enum way { UNKNOWN, BY_L1, BY_L2 };

typedef struct level {
    uint32_t sets, ways;   /* a power of 2, any */
    uint32_t shift;        /* log2 sets */
    uint32_t clock;
    uint32_t *tag, *age;   /* [sets][ways]; tag: line + 1, 0: empty */
    uint8_t *has, *dirty;  /* sectors */
    uint32_t *recent;      /* per set: the way of the last access */
} level;

struct ptx_cache_state {
    uint32_t sms, resident; /* blocks of an SM at once */
    uint64_t l1_bytes, l2_bytes; /* that one SM, and this worker, has */
    level l2, *l1;         /* [sms]; made when first used */
    uint8_t *way;          /* per tally: enum way */
    uint64_t dirtied;      /* clean sectors that were written: each is written back, then or at the end */
};

/* ---- one level ---- */

static void level_init(level *l, uint64_t bytes)
{
    const uint64_t lines = bytes / LINE > LEAST_WAYS ? bytes / LINE : LEAST_WAYS;
    *l = (level){.sets = 1};
    while ((uint64_t)l->sets * 2 * LEAST_WAYS <= lines) {
        l->sets *= 2;
        l->shift++;
    }
    l->ways = (uint32_t)(lines / l->sets);
    const size_t n = (size_t)l->sets * l->ways;
    l->tag = ws_calloc(n, sizeof *l->tag);
    l->age = ws_calloc(n, sizeof *l->age);
    l->has = ws_calloc(n, 1);
    l->dirty = ws_calloc(n, 1);
    l->recent = ws_calloc(l->sets, sizeof *l->recent);
}

static void level_release(level *l)
{
    free(l->tag);
    free(l->age);
    free(l->has);
    free(l->dirty);
    free(l->recent);
}

/* Higher bits are mixed in, so that columns of matrices do not all meet in one set. Lines that follow each other still
 * are in different ones. */
static uint32_t set_of(const level *l, uint32_t line)
{
    uint32_t set = line;
    for (uint32_t high = line; l->shift && (high >>= l->shift);)
        set ^= high;
    return set & (l->sets - 1);
}

/* Without an early end, so that many are compared at once. */
static uint32_t find(const uint32_t *v, uint32_t n, uint32_t what)
{
    uint32_t at = n;
    for (uint32_t k = 0; k < n; k++)
        at = v[k] == what ? k : at;
    return at;
}

static uint32_t oldest(const uint32_t *age, uint32_t n)
{
    uint32_t least = UINT32_MAX;
    for (uint32_t k = 0; k < n; k++)
        least = age[k] < least ? age[k] : least;
    return find(age, n, least);
}

/* Where the line is, and now used last; or where it comes to be, in place of the one used longest
 * ago. */
static size_t place(level *l, uint32_t line)
{
    const uint32_t set = set_of(l, line), tag = line + 1;
    const size_t first = (size_t)set * l->ways;
    uint32_t way = l->recent[set];
    if (l->tag[first + way] != tag) {
        way = find(l->tag + first, l->ways, tag);
        if (way == l->ways) {
            way = oldest(l->age + first, l->ways);
            l->tag[first + way] = tag;
            l->has[first + way] = l->dirty[first + way] = 0;
        }
        l->recent[set] = way;
    }
    l->age[first + way] = ++l->clock;
    return first + way;
}

/* ---- a launch ---- */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Registers are not looked at: the engine does not know how the assembler allots them. */
static uint32_t resident_of(const ptx_grid *g)
{
    const ptx_cache *c = &g->options->cache;
    const uint32_t warps = (g->threads + PTX_LANES - 1) / PTX_LANES;
    uint32_t n = (uint32_t)(((uint64_t)g->n_blocks + c->sms - 1) / c->sms);
    n = c->max_blocks ? least(n, c->max_blocks) : n;
    n = c->max_warps ? least(n, c->max_warps / warps) : n;
    n = g->shared_bytes ? least(n, c->l1_bytes / g->shared_bytes) : n;
    return n ? n : 1;
}

struct ptx_cache_state *ptx_cache_new(const ptx_grid *g)
{
    struct ptx_cache_state *c = ws_calloc(1, sizeof *c);
    c->sms = least(g->options->cache.sms, MAX_SMS);
    c->resident = resident_of(g);
    const uint64_t shared = (uint64_t)c->resident * g->shared_bytes, all = g->options->cache.l1_bytes;
    c->l1_bytes = all > shared + LEAST_L1 ? all - shared : LEAST_L1;
    c->l2_bytes = g->options->cache.l2_bytes;
    if (g->sample) {
        const uint64_t blocks = (uint64_t)c->sms * c->resident;
        c->l1_bytes /= c->resident;
        c->l2_bytes /= g->n_blocks < blocks ? g->n_blocks : blocks;
    }
    level_init(&c->l2, c->l2_bytes);
    c->l1 = ws_calloc(c->sms, sizeof *c->l1);
    c->way = ws_calloc(g->program->n_tallies, 1);
    return c;
}

void ptx_cache_free(struct ptx_cache_state *c)
{
    if (!c)
        return;
    for (uint32_t s = 0; s < c->sms; s++)
        level_release(&c->l1[s]);
    level_release(&c->l2);
    free(c->l1);
    free(c->way);
    free(c);
}

uint32_t ptx_cache_units(const ptx_grid *g)
{
    const uint64_t blocks = (uint64_t)least(g->options->cache.sms, MAX_SMS) * resident_of(g);
    const uint64_t units = (blocks + g->cluster_blocks - 1) / g->cluster_blocks;
    return g->sample ? 1 : units < UINT32_MAX ? (uint32_t)units : UINT32_MAX;
}

/* ---- accesses ---- */

static enum way find_way(const ptx_insn *i)
{
    static const char *const past[] = {"cg", "cv", "volatile", "relaxed", "acquire", "mmio", "bulk", "L1::no_allocate"};
    for (size_t k = 0; k < WS_COUNT(past); k++)
        if (ptx_has(i->ast, past[k]))
            return BY_L2;
    return BY_L1;
}

static uint64_t bits(uint32_t mask)
{
    return (uint64_t)__builtin_popcount(mask);
}

/* Sectors of one line; what L1 has is taken off. */
static uint32_t look_in_l1(ptx_warp *w, const ptx_insn *i, ptx_tally *t, uint32_t line, uint32_t mask)
{
    struct ptx_cache_state *c = w->worker->cache;
    uint8_t *way = &c->way[i->tally];
    if (!*way)
        *way = (uint8_t)find_way(i);
    if (*way != BY_L1)
        return mask;
    level *l = &c->l1[w->block->sm % c->sms];
    if (!l->tag)
        level_init(l, c->l1_bytes);
    const size_t at = place(l, line);
    const uint32_t hit = l->has[at] & mask;
    l->has[at] = (uint8_t)(l->has[at] | mask);
    w->worker->counters.l1_ld_sectors += bits(mask);
    w->worker->counters.l1_hit_sectors += bits(hit);
    t->l1_hits += bits(hit);
    return mask & ~hit;
}

static void use_line(ptx_warp *w, const ptx_insn *i, uint32_t line, uint32_t mask, bool read, bool write)
{
    struct ptx_cache_state *c = w->worker->cache;
    ptx_counters *to = &w->worker->counters;
    ptx_tally *t = &w->tally[i->tally];
    if (read && !write && !(mask = look_in_l1(w, i, t, line, mask)))
        return;
    const size_t at = place(&c->l2, line);
    const uint32_t hit = c->l2.has[at] & mask;
    *(read && write ? &to->l2_atomic_sectors : read ? &to->l2_ld_sectors : &to->l2_st_sectors) += bits(mask);
    c->l2.has[at] = (uint8_t)(c->l2.has[at] | mask);
    if (write) {
        c->dirtied += bits(mask & ~(uint32_t)c->l2.dirty[at]);
        c->l2.dirty[at] = (uint8_t)(c->l2.dirty[at] | mask);
    }
    if (!read)
        return;
    to->l2_hit_sectors += bits(hit);
    to->dram_ld_bytes += SECTOR * bits(mask & ~hit);
    t->l2_hits += bits(hit);
    t->dram += bits(mask & ~hit);
}

void ptx_cache_use(ptx_warp *w, const ptx_insn *i, const ptx_sectors *s, uint64_t first, uint64_t use, bool read,
                   bool write)
{
    while (use) {
        const uint64_t at = first + (uint64_t)__builtin_ctzll(use);
        const uint64_t line = at / LINE_SECTORS, from = line * LINE_SECTORS;
        /* bits of this line: those up to its end, where it may have begun before `first` */
        const uint64_t end = from + LINE_SECTORS - first, mine = end < 64 ? use & ((1ull << end) - 1) : use;
        const uint32_t mask = (uint32_t)(first >= from ? mine << (first - from) : mine >> (from - first)) & ALL;
        use_line(w, i, (uint32_t)(s->line + line), mask, read, write);
        use &= ~mine;
    }
}

/* ---- the end ---- */

/* Sectors of the whole launch, from those of a sample of which `own` are different ones; `all` are in the launch. */
static double of_launch(uint64_t moved, uint64_t own, uint64_t all, double scale, bool fits)
{
    return (double)all + (fits || moved < own ? 0 : (double)(moved - own) * scale);
}

void ptx_cache_finish(ptx_worker *k, const ptx_own_sectors *d, double scale)
{
    struct ptx_cache_state *c = k->cache;
    ptx_counters *to = &k->counters;
    const uint64_t stored = c->dirtied, loaded = to->dram_ld_bytes / SECTOR,
                   asked = to->l2_ld_sectors + to->l2_atomic_sectors;
    to->dram_st_bytes = SECTOR * stored;
    if (!k->grid->sample)
        return;
    const bool fits = SECTOR * (d->all[0] + d->all[1]) <= k->grid->options->cache.l2_bytes;
    const double loads = of_launch(loaded, d->own[0], d->all[0], scale, fits) / scale;
    to->dram_ld_bytes = (uint64_t)(SECTOR * loads + 0.5);
    to->dram_st_bytes = (uint64_t)(SECTOR * of_launch(stored, d->own[1], d->all[1], scale, fits) / scale + 0.5);
    to->l2_hit_sectors = (double)asked > loads ? asked - (uint64_t)(loads + 0.5) : 0;
}
