/* Counters of memory accesses, in sectors and wavefronts. Rows and lone places of whole warps are counted in fast.c;
 * this is for all others. What tally.c can tell at the end is not added up here. */
#include "harness/ptx/cache.h"
#include "harness/ptx/lanes.h"

#include <stdlib.h>
#include <string.h>

enum { SECTOR_SHIFT = 5, SECTOR = 1 << SECTOR_SHIFT, BANKS = 32, LINE_SECTORS = 4 };
/* Allocations begin on large pages of the caches' addresses: where they lie decides which lines displace each other,
 * and the host's addresses differ from run to run. */
static const u64 PAGE_LINES = 1 << 14;

static ptx_tally *tally_of(const ptx_warp *w, const ptx_access *x)
{
    return &w->tally[(x->counts ? x->counts : x->insn)->tally];
}

/* ---- which values are alike ---- */

/* v twice, one after the other, where lanes that take no part have values that nobody has: small distances from the
 * largest, below those of `first`. */
static inline void pad(u32 to[2 * PTX_LANES], const u32 *v, u32 mask, bool twice)
{
    EACH_LANE(l) to[PTX_LANES + l] = v[l];
    if (mask != PTX_FULL)
        EACH_LANE(l) to[PTX_LANES + l] = mask >> l & 1 ? v[l] : ~0u - (u32)l;
    if (twice)
        memcpy(to, to + PTX_LANES, PTX_LANES * sizeof *to);
    else
        EACH_LANE(l) to[l] = ~0u - PTX_LANES - (u32)l;
}

/* Lanes of `mask` whose value is that of no lower one. Each lane is compared with those 1, 2, ... reach - 1 below it,
 * for all lanes at once. */
static u32 first_lanes(const u32 *v, u32 mask, u32 reach)
{
#if defined __AVX512F__ && defined __AVX512CD__
    if (reach == PTX_LANES) { /* those within each half, then the lower one turned against the upper one */
        const __m512i nobody = _mm512_setr_epi32(-1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11, -12, -13, -14, -15, -16),
                      others = _mm512_sub_epi32(nobody, _mm512_set1_epi32(16)), zero = _mm512_setzero_si512();
        const __m512i low = _mm512_mask_loadu_epi32(nobody, (__mmask16)mask, v),
                      high = _mm512_mask_loadu_epi32(others, (__mmask16)(mask >> 16), v + 16);
        __m512i turned[4] = {low, _mm512_alignr_epi32(low, low, 1), _mm512_alignr_epi32(low, low, 2),
                             _mm512_alignr_epi32(low, low, 3)};
        u32 same_low = _mm512_cmpneq_epi32_mask(_mm512_conflict_epi32(low), zero),
            same_high = _mm512_cmpneq_epi32_mask(_mm512_conflict_epi32(high), zero);
        for (int r = 0; r < 16; r++) {
            same_high |= _mm512_cmpeq_epi32_mask(high, turned[r & 3]);
            turned[r & 3] = _mm512_alignr_epi32(turned[r & 3], turned[r & 3], 4);
        }
        return ~(same_low | same_high << 16) & mask;
    }
#endif
    u32 padded[2 * PTX_LANES] __attribute__((aligned(64)));
    pad(padded, v, mask, false);
    const u32 *at = padded + PTX_LANES;
    u32 same[PTX_LANES] __attribute__((aligned(64))) = {0};
    for (u32 r = 1; r < reach; r++)
        EACH_LANE(l) same[l] |= at[l] == at[(s32)l - (s32)r] ? 1u << 31 : 0;
    return ~ptx_sign_bits(same) & mask;
}

/* Of the lanes of `mask`, how many have the value that most have. */
static u32 most_alike(const u32 *v, u32 mask)
{
    u32 padded[2 * PTX_LANES] __attribute__((aligned(64))), same[PTX_LANES] __attribute__((aligned(64))) = {0};
    u32 most = 0;
    pad(padded, v, mask, true);
    for (u32 r = 0; r < PTX_LANES; r++)
        EACH_LANE(l) same[l] += padded[l] == padded[(u32)l + r];
    EACH_LANE(l) most = same[l] > most ? same[l] : most; /* others are alone */
    return most;
}

/* ---- global memory ---- */

static u64 sector_count(const ptx_alloc *a)
{
    return ((a->hi - a->lo) >> SECTOR_SHIFT) + 1;
}

/* Each worker has its own, so that none waits for another's cache lines. */
ptx_sectors *ptx_sectors_of(ptx_worker *k, const ptx_alloc *alloc)
{
    u64 line = 0;
    for (ptx_sectors *s = k->sectors; s; s = s->next) {
        if (s->alloc == alloc)
            return s;
        const u64 end = s->line + sector_count(s->alloc) / LINE_SECTORS + 1;
        line = end > line ? end : line;
    }
    ptx_sectors *s = ws_calloc(1, sizeof *s);
    s->alloc = alloc;
    s->line = (line + PAGE_LINES - 1) / PAGE_LINES * PAGE_LINES;
    s->words = sector_count(alloc) / 64 + 2;
    s->n_parts = s->words / PTX_PART_WORDS + 1;
    s->used[0] = ws_calloc(2 * s->words, sizeof *s->used[0]);
    s->used[1] = s->used[0] + s->words;
    s->parts[0] = ws_calloc(2 * s->n_parts, 1);
    s->parts[1] = s->parts[0] + s->n_parts;
    s->next = k->sectors;
    k->sectors = s;
    return s;
}

void ptx_sectors_release(ptx_worker *k)
{
    for (ptx_sectors *s = k->sectors, *next; s; s = next) {
        next = s->next;
        free(s->used[0]);
        free(s->parts[0]);
        free(s);
    }
    k->sectors = NULL;
}

/* Uses sectors first + b for every bit b of `bits`. */
static void use(ptx_warp *w, const ptx_access *x, ptx_sectors *s, u64 first, u64 bits)
{
    if (x->read)
        ptx_sectors_use(s, first, bits, false);
    if (x->write)
        ptx_sectors_use(s, first, bits, true);
    if (w->checks & PTX_CHECK_CACHE)
        ptx_cache_use(w, x->counts ? x->counts : x->insn, s, first, bits, x->read, x->write);
}

/* Those of the sectors of lanes *left that lie near the first one, as bits from `from` on; they are taken off. */
static u64 take_near(const u32 *sector, u64 from, u32 *left)
{
    u64 bits = 0;
    EACH_SET(o, *left)
    {
        const u64 off = sector[o] - from;
        if (off < 64) {
            bits |= 1ull << off;
            *left &= ~(1u << o);
        }
    }
    return bits;
}

/* The parts of these lanes' sectors; mostly it is one. */
static void touch_parts(uint8_t *parts, const u32 *sector, u32 lanes)
{
    u32 first = sector[__builtin_ctz(lanes)] >> PTX_PART_SHIFT, others = 0;
    EACH_LANE(l) others |= lanes >> l & 1 ? (sector[l] >> PTX_PART_SHIFT) ^ first : 0;
    parts[first] = 1;
    if (others)
        EACH_SET(l, lanes) parts[sector[l] >> PTX_PART_SHIFT] = 1;
}

/* Uses the sectors of these lanes, which are different. */
static void use_lanes(ptx_warp *w, const ptx_access *x, ptx_sectors *s, const u32 *sector, u32 lanes)
{
    for (u32 left = w->checks & PTX_CHECK_CACHE ? lanes : 0; left;) { /* by lines */
        const u64 from = sector[__builtin_ctz(left)] & ~(u32)(LINE_SECTORS - 1);
        use(w, x, s, from, take_near(sector, from, &left));
    }
    if (w->checks & PTX_CHECK_CACHE)
        return;
    for (int write = !x->read; write <= x->write; write++) {
        u64 *used = s->used[write];
        touch_parts(s->parts[write], sector, lanes);
        if (x->mask == PTX_FULL)
            EACH_LANE(l) used[sector[l] >> 6] |= 1ull << (sector[l] & 63);
        else
            EACH_SET(l, lanes) used[sector[l] >> 6] |= 1ull << (sector[l] & 63);
    }
}

/* Whether one of the lanes has it. */
static bool is_among(const u32 *v, u32 lanes, u32 it)
{
    bool found = false;
    EACH_SET(o, lanes) found |= v[o] == it;
    return found;
}

/* The second sectors of lanes that have two, which no lane has as its first. */
static u32 use_beyond(ptx_warp *w, const ptx_access *x, ptx_sectors *s, u64 base, const u32 *sector)
{
    u32 last[PTX_LANES], beyond = 0, n = 0;
    EACH_LANE(l) last[l] = (u32)((x->addr[l] - base + x->size - 1) >> SECTOR_SHIFT);
    EACH_LANE(l) beyond |= (u32)(sector[l] != last[l]) << l;
    beyond &= x->mask;
    EACH_SET(l, beyond)
    {
        if (is_among(sector, x->mask, last[l]) || is_among(last, beyond & ((1u << l) - 1), last[l]))
            continue;
        use(w, x, s, last[l], 1);
        n++;
    }
    return n;
}

/* Each lane's accesses are within a sector, as they are aligned to their size; those of cp.async need not be. */
static u32 use_apart(ptx_warp *w, const ptx_access *x, ptx_sectors *s, u64 base)
{
    u32 sector[PTX_LANES] __attribute__((aligned(64)));
    EACH_LANE(l) sector[l] = (u32)((x->addr[l] - base) >> SECTOR_SHIFT);
    const u32 different = first_lanes(sector, x->mask, PTX_LANES), n = (u32)__builtin_popcount(different);
    use_lanes(w, x, s, sector, different);
    return x->size & (x->size - 1) ? n + use_beyond(w, x, s, base, sector) : n;
}

static bool is_row(const ptx_access *x)
{
    return x->mask == PTX_FULL && x->addr[PTX_LANES - 1] - x->addr[0] == (PTX_LANES - 1) * (u64)x->size &&
           ptx_is_linear(x->addr, x->size);
}

/* Marks the sectors of one request and counts them. */
static u32 use_sectors(ptx_warp *w, ptx_sectors *s, const ptx_access *x, u64 base)
{
    if (!is_row(x))
        return use_apart(w, x, s, base);
    const u64 first = (x->addr[0] - base) >> SECTOR_SHIFT,
              n = ((x->addr[PTX_LANES - 1] - base + x->size - 1) >> SECTOR_SHIFT) - first + 1;
    use(w, x, s, first, ~0ull >> (64 - n)); /* 32 lanes of 32 bytes at most */
    return (u32)n;
}

static void elements(const ptx_access *x, u64 base, u32 at[PTX_LANES])
{
    const u32 shift = (u32)__builtin_ctz(x->size);
    EACH_LANE(l) at[l] = (u32)((x->addr[l] - base) >> shift);
}

/* The fewest sectors that hold the distinct bytes of the access, which uses `sectors`. */
static u32 ideal_sectors(const ptx_access *x, u64 base, u32 sectors)
{
    u32 at[PTX_LANES] __attribute__((aligned(64))), distinct = (u32)__builtin_popcount(x->mask);
    if (sectors < distinct && !is_row(x)) {
        elements(x, base, at);
        distinct = (u32)__builtin_popcount(first_lanes(at, x->mask, PTX_LANES));
    }
    const u32 ideal = (distinct * x->size + SECTOR - 1) >> SECTOR_SHIFT;
    return ideal < sectors ? ideal : sectors;
}

void ptx_count_lanes(ptx_warp *w, const ptx_insn *i, ptx_sectors *s, const u64 *offset, u32 size, bool write)
{
    u32 at[PTX_LANES] __attribute__((aligned(64)));
    ptx_tally *t = &w->tally[i->tally];
    EACH_LANE(l) at[l] = (u32)(offset[l] >> SECTOR_SHIFT);
    const u32 first = first_lanes(at, PTX_FULL, PTX_LANES), sectors = (u32)__builtin_popcount(first);
    use_lanes(w, &(ptx_access){.insn = i, .mask = PTX_FULL, .read = !write, .write = write}, s, at, first);
    u32 distinct = PTX_LANES;
    if (sectors < PTX_LANES) {
        const u32 shift = (u32)__builtin_ctz(size);
        EACH_LANE(l) at[l] = (u32)(offset[l] >> shift);
        distinct = (u32)__builtin_popcount(first_lanes(at, PTX_FULL, PTX_LANES));
    }
    const u32 ideal = (distinct * size + SECTOR - 1) >> SECTOR_SHIFT;
    t->whole++;
    t->sectors += sectors;
    t->excess += sectors > ideal ? sectors - ideal : 0;
}

static u32 passes(const ptx_access *x, u64 base)
{
    u32 at[PTX_LANES] __attribute__((aligned(64)));
    elements(x, base, at);
    return first_lanes(at, x->mask, PTX_LANES) == x->mask ? 1 : most_alike(at, x->mask);
}

/* .const: a request gets one address after the other. */
static void count_const(ptx_warp *w, const ptx_access *x, const ptx_alloc *alloc)
{
    u32 at[PTX_LANES] __attribute__((aligned(64)));
    EACH_LANE(l) at[l] = (u32)(x->addr[l] - alloc->lo);
    ptx_tally *t = tally_of(w, x);
    t->some++;
    t->sectors += (u64)__builtin_popcount(first_lanes(at, x->mask, PTX_LANES));
}

/* Bulk copies: `lanes` are pieces of a range. */
static void count_bulk(ptx_warp *w, const ptx_access *x, u64 bytes, u32 sectors)
{
    ptx_counters *c = &w->worker->counters;
    tally_of(w, x)->sectors += sectors;
    if (x->write) {
        c->bulk_st_bytes += bytes;
        c->global_st_bytes += bytes;
    } else {
        c->bulk_ld_bytes += bytes;
        c->global_ld_bytes += bytes;
    }
}

void ptx_count_global(ptx_warp *w, const ptx_access *x, ptx_alloc *alloc)
{
    ptx_counters *c = &w->worker->counters;
    const u64 lanes = (u64)__builtin_popcount(x->mask), bytes = lanes * x->size;
    if (x->quiet)
        return;
    if (x->insn->space == PTX_SPACE_CONST) {
        count_const(w, x, alloc);
        return;
    }
    const u32 sectors = use_sectors(w, ptx_sectors_of(w->worker, alloc), x, alloc->lo);
    if (x->by) {
        count_bulk(w, x, bytes, sectors);
        return;
    }
    ptx_tally *t = tally_of(w, x);
    t->some += !x->further;
    t->sectors += sectors;
    t->excess += sectors - ideal_sectors(x, alloc->lo, sectors);
    if (x->atomic) {
        const u32 n = passes(x, alloc->lo);
        c->global_atomic_lanes += lanes;
        c->global_atomic_passes += n;
        t->passes += n;
        c->grid_arrivals += alloc->lo == w->worker->grid->workspace ? lanes : 0;
    } else if (x->write) {
        c->global_st_bytes += bytes;
    } else {
        c->global_ld_bytes += bytes;
    }
}

/* ---- shared memory ---- */

/* Accesses of 8 and 16 bytes go by half and quarter warps, and fill two and four banks a lane. Lanes of one part that
 * want the same words share them; lanes of different parts do, when all of the warp want the same. */
u32 ptx_count_wavefronts(const ptx_access *x)
{
    const u32 shift = x->size <= 4 ? 2 : x->size == 8 ? 3 : 4, per = PTX_LANES >> (shift - 2);
    u32 word[PTX_LANES] __attribute__((aligned(64))), alike = 0;
    uint8_t used[BANKS] = {0}, total = 0;
    EACH_LANE(l) word[l] = (u32)(x->addr[l] >> shift);
    const u32 lowest = (u32)__builtin_ctz(x->mask);
    EACH_LANE(l) alike |= (u32)(word[l] != word[lowest]) << l;
    if (!(alike & x->mask))
        return 1;
    EACH_LANE(l) word[l] |= (u32)l / per << 28; /* parts have nothing in common */
    const u32 first = first_lanes(word, x->mask, per);
    EACH_SET(l, first) used[l / per * per + word[l] % per]++;
    for (u32 part = 0; part < PTX_LANES; part += per) {
        uint8_t most = 0;
        for (u32 b = part; b < part + per; b++)
            most = used[b] > most ? used[b] : most;
        total = (uint8_t)(total + most);
    }
    return total;
}

/* Of these lanes without conflicts. */
static u32 least_wavefronts(const ptx_access *x)
{
    const u32 per = PTX_LANES / ptx_least_wavefronts(x->size);
    u32 n = 0;
    for (u32 part = 0; part < PTX_LANES; part += per)
        n += ((u64)x->mask >> part & ((1ull << per) - 1)) != 0;
    return n;
}

void ptx_count_shared(ptx_warp *w, const ptx_access *x)
{
    ptx_counters *c = &w->worker->counters;
    if (x->quiet || x->by || x->is_object)
        return;
    ptx_tally *t = tally_of(w, x);
    const u32 waves = ptx_count_wavefronts(x), least = least_wavefronts(x);
    t->shared += !x->further;
    t->waves += waves;
    t->conflicts += waves > least ? waves - least : 0;
    if (x->atomic) {
        const u32 n = passes(x, 0);
        c->shared_atomic_lanes += (u64)__builtin_popcount(x->mask);
        c->shared_atomic_passes += n;
        t->passes += n;
    }
}

/* ---- local memory ---- */

/* Word k of lane l is word 32 k + l of what the warp has: where all lanes are at one place, that is a row. */
void ptx_count_local(ptx_warp *w, const ptx_access *x)
{
    enum { LANES_A_SECTOR = SECTOR / 4 };
    u32 at[PTX_LANES] __attribute__((aligned(64)));
    if (x->insn->space == PTX_SPACE_PARAM) /* of a call: registers */
        return;
    ptx_tally *t = tally_of(w, x);
    t->local++;
    for (u32 b = 0; b < x->size; b += 4) {
        EACH_LANE(l) at[l] = (u32)((x->addr[l] + b) >> 2) * LANES_A_SECTOR + (u32)l / LANES_A_SECTOR;
        t->local_sectors += (u64)__builtin_popcount(first_lanes(at, x->mask, PTX_LANES));
    }
}
