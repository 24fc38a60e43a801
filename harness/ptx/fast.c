/* Loads and stores of whole warps. The shape of the addresses is told first (shape.h); then bounds, alignment,
 * initialisation, races and counters take a few steps for all lanes together. What this does not settle is left
 * to the general handlers of x_mem.c, which begin anew and say what is wrong. */
#include "harness/ptx/fast.h"

#include "harness/ptx/cache.h"
#include "harness/ptx/known.h"
#include "harness/ptx/race.h"
#include "harness/ptx/shape.h"
#include "harness/ptx/x_mem.h"

#include <string.h>

#define IVDEP  _Pragma("GCC ivdep")

enum { SECTOR_SHIFT = 5, SECTOR = 1 << SECTOR_SHIFT, MAX_KNOWN_SPAN = 8192 };

/* ---- allocations ---- */

static bool site_move(ptx_worker *k, ptx_site *s, u64 lo, u64 bytes)
{
    ptx_alloc *a = ptx_memory_find(k->grid->mem, lo);
    if (!ptx_alloc_holds(a, lo, bytes))
        return false;
    s->lo = a->lo;
    s->bytes = a->hi - a->lo;
    s->alloc = a;
    s->sectors = k->grid->options->count ? ptx_sectors_of(k, a) : NULL;
    s->plain = (a->all_init || !k->grid->options->check_init) &&
               (a->only_read || !k->grid->options->check_race);
    return true;
}

ptx_alloc *ptx_alloc_at(ptx_warp *w, const ptx_insn *i, u64 lo, u64 bytes)
{
    ptx_site *s = &w->worker->site[i->site];
    return ptx_alloc_holds(s->alloc, lo, bytes) || site_move(w->worker, s, lo, bytes) ? s->alloc : NULL;
}

/* ---- shapes ---- */

/* Of a lone place or a row. */
INLINE u32 row_wavefronts(const ptx_shape *s, u32 size)
{
    return s->kind == PTX_SHAPE_UNIFORM || size <= 4 ? 1 : size / 4;
}

/* What else is to be known of a shape; instruction i is the first to use it. */
INLINE void note_shape(ptx_warp *w, const ptx_insn *i, ptx_shape *s, u32 size)
{
    const u32 bit = 1u << i->shape & ~(1u << PTX_SHAPE_PRIVATE);
    const u32 n = s->kind == PTX_SHAPE_ROW ? size * PTX_LANES : size;
    s->shared_room = w->shared_bytes < n ? 0 : w->shared_bytes - n + 1;
    s->known_room = 0;
    w->shapes |= bit;
    s->ahead = s->kind <= PTX_SHAPE_ROW && w->checks & PTX_CHECK_COUNT;
    if (s->ahead && i->uses) {
        w->tally[i->tally].ahead++;
        w->tally[i->tally].ahead_waves += row_wavefronts(s, size);
    }
    if (s->kind <= PTX_SHAPE_ROW) /* global memory: its sites tell where races are looked for */
        *(w->checks & PTX_CHECK_RACE && i->space != PTX_SPACE_GLOBAL && !race_note_ahead(w, i, s)
              ? &w->race_shapes
              : &w->easy_shapes) |= bit;
}

/* Of instruction i's address register; a full warp executes it. */
static __attribute__((noinline)) void tell(ptx_warp *w, const ptx_insn *i, ptx_shape *s)
{
    const u32 size = (u32)i->esize * i->vec;
    if (i->flags & PTX_IF_NO_BASE)
        *s = (ptx_shape){.kind = PTX_SHAPE_UNIFORM, .group = PTX_LANES};
    else if (i->flags & PTX_IF_WIDE_ADDRESS)
        ptx_shape_of64(s, IN(u64, i->a), size);
    else
        ptx_shape_of32(s, IN(u32, i->a), size);
    note_shape(w, i, s, size);
}

/* The same for aligned rows and lone places, which are the most; false: it is neither. */
INLINE bool tell_easy(ptx_warp *w, const ptx_insn *i, ptx_shape *s, u32 size)
{
    const bool wide = i->flags & PTX_IF_WIDE_ADDRESS;
    if (i->flags & PTX_IF_NO_BASE)
        return false;
    const u64 first = wide ? IN(u64, i->a)[0] : IN(u32, i->a)[0];
    const u64 far = wide ? IN(u64, i->a)[PTX_LANES - 1] : IN(u32, i->a)[PTX_LANES - 1];
    if (far != first && far - first != (u64)size * (PTX_LANES - 1))
        return false;
    const ptx_run run = wide ? ptx_run64(IN(u64, i->a), size) : ptx_run32(IN(u32, i->a), size);
    const u32 step = run.linear ? size : 0;
    if (!(run.uniform | run.linear) || first & (size - 1))
        return false;
    s->lo = first;
    s->hi = far;
    s->step = (s32)step;
    s->kind = run.linear ? PTX_SHAPE_ROW : PTX_SHAPE_UNIFORM;
    s->group = PTX_LANES;
    s->low = (u8)(first | step);
    s->waves = 0;
    note_shape(w, i, s, size);
    return true;
}

INLINE bool is_told(const ptx_warp *w, const ptx_insn *i)
{
    return w->shapes >> i->shape & 1;
}

INLINE u64 lane_address(const ptx_warp *w, const ptx_insn *i, u32 l)
{
    return i->flags & PTX_IF_WIDE_ADDRESS ? IN(u64, i->a)[l] : IN(u32, i->a)[l];
}

static void addresses(const ptx_warp *w, const ptx_insn *i, u64 imm, u64 addr[PTX_LANES])
{
    if (i->flags & PTX_IF_WIDE_ADDRESS)
        EACH_LANE(l) addr[l] = IN(u64, i->a)[l] + imm;
    else
        EACH_LANE(l) addr[l] = IN(u32, i->a)[l] + imm;
}

/* ---- initialisation ---- */

INLINE bool is_init(const uint8_t *state, u32 n)
{
#ifdef __AVX512BW__
    if (n % 64 == 0) {
        const __m512i one = _mm512_set1_epi8(PTX_INIT);
        u64 missing = 0;
        for (u32 k = 0; k < n; k += 64)
            missing |= _mm512_testn_epi8_mask(_mm512_loadu_si512(state + k), one);
        return !missing;
    }
#endif
    if (n == 4) {
        u32 word;
        memcpy(&word, state, sizeof word);
        return (word & 0x01010101u * PTX_INIT) == 0x01010101u * PTX_INIT;
    }
    return ptx_all_init(state, n);
}

/* The states of each lane's bytes at once, in a word of their number; all have to be PTX_INIT, or all become so. */
#define STATES(T)                                                                                  \
    static bool lanes_init_##T(const u64 *at)                                                      \
    {                                                                                              \
        const T one = (T)(0x0101010101010101ull * PTX_INIT);                                       \
        T all = one;                                                                               \
        EACH_LANE(l) all &= *(const T *)(uintptr_t)at[l];                                          \
        return all == one;                                                                         \
    }                                                                                              \
    static void lanes_mark_##T(const u64 *at)                                                      \
    {                                                                                              \
        const T both = (T)(0x0101010101010101ull * (PTX_INIT | PTX_WRITTEN));                      \
        for (u32 l = 0; l < PTX_LANES; l++)                                                        \
            *(T *)(uintptr_t)at[l] = both;                                                         \
    }
STATES(u16)
STATES(u32)
STATES(u64)

/* Of lanes that are no row. `state` is that of the byte at register value 0. */
static bool is_init_apart(const ptx_warp *w, const ptx_insn *i, const ptx_shape *s, const uint8_t *state,
                          u32 size)
{
    u64 at[PTX_LANES] __attribute__((aligned(64)));
    if (s->kind == PTX_SHAPE_ROWS) {
        bool all = true;
        for (u32 l = 0; l < PTX_LANES && all; l += s->group)
            all = ptx_all_init(ptx_plus(state, lane_address(w, i, l)), s->step ? (size_t)s->group * size : size);
        return all;
    }
    bool all = true;
    for (u32 b = 0; b < size && all; b += 8) {
        addresses(w, i, (u64)(uintptr_t)state + b, at);
        all = size == 2 ? lanes_init_u16(at) : size == 4 ? lanes_init_u32(at) : lanes_init_u64(at);
    }
    return all;
}

static void mark_apart(const ptx_warp *w, const ptx_insn *i, uint8_t *state, u32 size)
{
    u64 at[PTX_LANES] __attribute__((aligned(64)));
    for (u32 b = 0; b < size; b += 8) {
        addresses(w, i, (u64)(uintptr_t)state + b, at);
        if (size == 2)
            lanes_mark_u16(at);
        else if (size == 4)
            lanes_mark_u32(at);
        else
            lanes_mark_u64(at);
    }
}

/* ---- counters ---- */

/* Bits first to last. */
INLINE u64 bits_between(u64 first, u64 last)
{
    return (~0ull >> (63 - (last - first))) << first;
}

/* `n` bytes, or 32 times the same, from offset `from` of the site's allocation. */
INLINE void count_span(ptx_warp *w, const ptx_insn *i, const ptx_site *at, u64 from, u32 n, u32 size, bool write)
{
    ptx_tally *t = &w->tally[i->tally];
    const u64 first = from >> SECTOR_SHIFT, sectors = ((from + n - 1) >> SECTOR_SHIFT) - first + 1;
    const u32 least = (n + (1u << SECTOR_SHIFT) - 1) >> SECTOR_SHIFT;
    t->whole++;
    if (__builtin_expect(!write && i->space == PTX_SPACE_CONST, 0)) {
        t->sectors += n / size; /* addresses */
        return;
    }
    t->sectors += sectors;
    if (sectors > least)
        t->excess += sectors - least;
    ptx_sectors_use(at->sectors, first, bits_between(0, sectors - 1), write);
    if (w->checks & PTX_CHECK_CACHE)
        ptx_cache_use(w, i, at->sectors, first, bits_between(0, sectors - 1), !write, write);
}

static void count_far(ptx_warp *w, const ptx_insn *i, u64 imm, const ptx_site *at, u32 size, bool write)
{
    u64 addr[PTX_LANES] __attribute__((aligned(64)));
    if (i->space != PTX_SPACE_CONST) {
        addresses(w, i, imm, addr);
        ptx_count_lanes(w, i, at->sectors, addr, size, write);
        return;
    }
    addresses(w, i, imm + at->lo, addr);
    ptx_count_global(
        w,
        &(ptx_access){.insn = i, .space = PTX_SPACE_GLOBAL, .mask = PTX_FULL, .size = size, .read = true, .addr = addr},
        at->alloc);
}

/* Each lane has a sector of its own. */
INLINE void count_steps(ptx_warp *w, const ptx_insn *i, const ptx_shape *s, const ptx_site *at, u64 imm, u32 size,
                        bool write)
{
    ptx_tally *t = &w->tally[i->tally];
    const u64 step = (u64)(s->step < 0 ? -s->step : s->step);
    t->whole++;
    t->sectors += PTX_LANES;
    t->excess += PTX_LANES - size;
    for (u64 from = s->lo + imm, l = 0; l < PTX_LANES; l++, from += step) {
        const u64 sector = from >> SECTOR_SHIFT;
        ptx_sectors_use(at->sectors, sector, 1, write);
        if (w->checks & PTX_CHECK_CACHE)
            ptx_cache_use(w, i, at->sectors, sector, 1, !write, write);
    }
}

/* Different starts among those of the shape's groups, which mostly are the same or have nothing in common. */
INLINE u32 distinct_groups(const ptx_warp *w, const ptx_insn *i, const ptx_shape *s)
{
    u64 seen[PTX_LANES / 8];
    u32 n = 0;
    for (u32 l = 0; l < PTX_LANES; l += s->group) {
        const u64 at = lane_address(w, i, l);
        u32 k = 0;
        while (k < n && seen[k] != at)
            k++;
        seen[k] = at;
        n += k == n;
    }
    return n;
}

/* Of lanes that are no row. `imm` makes register values offsets in the allocation. */
INLINE void count_apart(ptx_warp *w, const ptx_insn *i, const ptx_shape *s, const ptx_site *at, u64 imm,
                        u32 size, bool write)
{
    const u64 first = (s->lo + imm) >> SECTOR_SHIFT;
    u64 bits = 0;
    if (s->group == PTX_LANES && (s->step >= SECTOR || s->step <= -SECTOR) && i->space != PTX_SPACE_CONST) {
        count_steps(w, i, s, at, imm, size, write);
        return;
    }
    if (((s->hi + imm + size - 1) >> SECTOR_SHIFT) - first >= 64 || !s->group || i->space == PTX_SPACE_CONST) {
        count_far(w, i, imm, at, size, write);
        return;
    }
    if (s->kind == PTX_SHAPE_ROWS) {
        u64 more = s->step ? (u64)s->group * size - 1 : size - 1;
        for (u32 l = 0; l < PTX_LANES; l += s->group) {
            u64 from = lane_address(w, i, l) + imm;
            bits |= bits_between((from >> SECTOR_SHIFT) - first, ((from + more) >> SECTOR_SHIFT) - first);
        }
    } else {
        u64 addr[PTX_LANES] __attribute__((aligned(64)));
        addresses(w, i, imm, addr);
        EACH_LANE(l) bits |= 1ull << (((addr[l] >> SECTOR_SHIFT) - first) & 63);
    }
    const u32 bytes = distinct_groups(w, i, s) * (s->step ? s->group : 1) * size,
              sectors = (u32)__builtin_popcountll(bits), least = (bytes + (1u << SECTOR_SHIFT) - 1) >> SECTOR_SHIFT;
    ptx_tally *t = &w->tally[i->tally];
    t->whole++;
    t->sectors += sectors;
    t->excess += sectors > least ? sectors - least : 0;
    ptx_sectors_use(at->sectors, first, bits, write);
    if (w->checks & PTX_CHECK_CACHE)
        ptx_cache_use(w, i, at->sectors, first, bits, !write, write);
}

/* How the lanes of groups lie to each other. false: it does not fit, or they lie anyhow. */
INLINE bool pattern_of(const ptx_warp *w, const ptx_insn *i, const ptx_shape *s, u32 size, u64 pattern[2])
{
    pattern[0] = (u64)(u32)s->step << 32 | (u64)s->group << 8 | size;
    pattern[1] = 0;
    if (!s->group || s->hi - s->lo > (1 << 21) - 1)
        return false;
    const u64 first = lane_address(w, i, 0);
    for (u32 l = s->group; l < PTX_LANES; l += s->group)
        pattern[1] = pattern[1] << 21 | ((lane_address(w, i, l) - first) & ((1 << 21) - 1));
    return true;
}

/* A displacement of whole words moves all lanes by as many banks, so what is counted once holds for the shape, and for
 * the next one that lies alike. */
static u32 wavefronts(ptx_warp *w, const ptx_insn *i, ptx_shape *s, u64 imm, u32 size)
{
    u64 addr[PTX_LANES] __attribute__((aligned(64))), pattern[2];
    ptx_site *site = &w->worker->site[i->site];
    const bool whole = !(imm & 3);
    if (s->kind == PTX_SHAPE_UNIFORM)
        return 1;
    if (s->waves && whole)
        return s->waves;
    const bool fits = size >= 4 && pattern_of(w, i, s, size, pattern);
    if (fits && site->pattern[0] == pattern[0] && site->pattern[1] == pattern[1])
        return s->waves = site->waves;
    addresses(w, i, imm, addr);
    u32 waves = ptx_count_wavefronts(&(ptx_access){.mask = PTX_FULL, .size = size, .addr = addr});
    if (whole)
        s->waves = (u8)waves;
    if (fits) {
        site->waves = (u8)waves;
        memcpy(site->pattern, pattern, sizeof pattern);
    }
    return waves;
}

INLINE void count_shared(ptx_warp *w, const ptx_insn *i, u32 waves)
{
    ptx_tally *t = &w->tally[i->tally];
    t->shared++;
    t->waves += waves;
}

/* ---- rows and uniform accesses ---- */

/* Of lanes that are no row. */
INLINE void count_conflicts(ptx_warp *w, const ptx_insn *i, ptx_shape *s, u64 imm, u32 size)
{
    const u32 waves = wavefronts(w, i, s, imm, size), least = ptx_least_wavefronts(size);
    count_shared(w, i, waves);
    if (waves > least)
        w->tally[i->tally].conflicts += waves - least;
}

/* `n` bytes from `at`, of all lanes together. false: not settled. */
INLINE bool pass_global(ptx_warp *w, const ptx_insn *i, u64 at, u32 n, u32 size, bool write, bool race)
{
    ptx_site *site = &w->worker->site[i->site];
    u64 from = at - site->lo;
    if (__builtin_expect(from >= site->bytes || site->bytes - from < n, 0)) {
        if (!site_move(w->worker, site, at, n))
            return false;
        from = at - site->lo;
    }
    if (write) {
        ptx_alloc *a = site->alloc;
        if (a->read_only || (race && !ptx_race_row(w, i, a, at, size, true)))
            return false;
        memset(a->state + from, PTX_INIT | PTX_WRITTEN, n);
    } else if (!site->plain) {
        ptx_alloc *a = site->alloc;
        if (w->checks & PTX_CHECK_INIT && !a->all_init && !is_init(a->state + from, n))
            return false;
        if (race && !a->only_read && (n == size || !ptx_race_row(w, i, a, at, size, false)))
            return false;
    }
    if (w->checks & PTX_CHECK_COUNT)
        count_span(w, i, site, from, n, size, write);
    return true;
}

/* `n` bytes from `at` are within shared memory and written. */
static __attribute__((noinline)) bool learn(ptx_warp *w, ptx_shape *s, u64 at, u32 n)
{
    const ptx_span *known = at < s->shared_room ? ptx_known_find(w, (u32)at, n) : NULL;
    if (known) {
        s->known_from = known->from;
        s->known_room = known->n - n + 1;
    }
    return known;
}

INLINE bool pass_shared(ptx_warp *w, const ptx_insn *i, ptx_shape *s, u64 at, u32 n, u32 size,
                        bool write, bool race)
{
    if (write ? at >= s->shared_room : at - s->known_from >= s->known_room && !learn(w, s, at, n))
        return false;
    if (race && !(write ? ptx_race_fast(w, i, at, size, true, true)
                        : race_quick_read(w, i, at, size, n != size)))
        return false;
    if (write)
        memset(w->shared_state + at, PTX_INIT | PTX_WRITTEN, n);
    if (w->checks & PTX_CHECK_COUNT && !(i->ahead && s->ahead))
        count_shared(w, i, row_wavefronts(s, size));
    return true;
}

/* ---- other shapes ---- */

typedef enum outcome { LEFT, PASSED, FAULT } outcome; /* LEFT: for x_mem.c to decide, nothing was done */

/* `imm` makes register values addresses of the space. */
static bool race_apart(ptx_warp *w, const ptx_insn *i, const ptx_shape *s, u64 imm, bool write, ptx_alloc *a)
{
    u64 addr[PTX_LANES] __attribute__((aligned(64)));
    addresses(w, i, imm, addr);
    ptx_access x = {.insn = i,
                    .space = a ? PTX_SPACE_GLOBAL : PTX_SPACE_SHARED,
                    .mask = PTX_FULL,
                    .size = (u32)i->esize * i->vec,
                    .read = !write,
                    .write = write,
                    .addr = addr,
                    .lo = s->lo + imm,
                    .hi = s->hi + imm,
                    .slot = write ? ((const ptx_elements *)i->aux)->slot : NULL};
    return a ? ptx_race_global(w, &x, a) : !w->block->shared_shadow || ptx_race_shared(w, &x);
}

static outcome apart_global(ptx_warp *w, const ptx_insn *i, const ptx_shape *s, u64 imm, u32 size, bool write)
{
    ptx_site *site = &w->worker->site[i->site];
    u64 lo = s->lo + imm, hi = s->hi + imm, from = lo - site->lo, n = hi - lo + size;
    if (lo > hi || (s->low | imm) & (size - 1))
        return LEFT;
    if ((from >= site->bytes || site->bytes - from < n) && !site_move(w->worker, site, lo, n))
        return LEFT;
    ptx_alloc *a = site->alloc;
    uint8_t *state = ptx_plus(a->state, imm - a->lo);
    if (write ? a->read_only
              : w->checks & PTX_CHECK_INIT && !a->all_init && !is_init_apart(w, i, s, state, size))
        return LEFT;
    if (w->checks & PTX_CHECK_RACE && !race_apart(w, i, s, imm, write, a))
        return FAULT;
    if (write)
        mark_apart(w, i, state, size);
    if (w->checks & PTX_CHECK_COUNT)
        count_apart(w, i, s, site, imm - site->lo, size, write);
    return PASSED;
}

/* Whether what the lanes read is written. Where they lie close together the stretch from the first to the last is
 * asked for, which answers for the next ones, too. */
static bool is_known_apart(ptx_warp *w, const ptx_insn *i, const ptx_shape *s, u64 imm, u32 size)
{
    u64 span = s->hi - s->lo + size;
    return (span <= MAX_KNOWN_SPAN && ptx_known_find(w, (u32)(s->lo + imm), (u32)span)) ||
           is_init_apart(w, i, s, ptx_plus(w->shared_state, imm), size);
}

static outcome apart_shared(ptx_warp *w, const ptx_insn *i, ptx_shape *s, u64 imm, u32 size, bool write)
{
    u64 lo = s->lo + imm, hi = s->hi + imm;
    if (lo > hi || hi >= w->shared_bytes || w->shared_bytes - hi < size || (s->low | imm) & (size - 1))
        return LEFT;
    uint8_t *state = ptx_plus(w->shared_state, imm);
    if (!write && !is_known_apart(w, i, s, imm, size))
        return LEFT;
    if (w->checks & PTX_CHECK_RACE && !race_apart(w, i, s, imm, write, NULL))
        return FAULT;
    if (write)
        mark_apart(w, i, state, size);
    if (w->checks & PTX_CHECK_COUNT)
        count_conflicts(w, i, s, imm, size);
    return PASSED;
}

/* Any shape; *base: the host's place of register value 0. */
static outcome apart(ptx_warp *w, const ptx_insn *i, ptx_shape *s, bool write, uint8_t **base)
{
    const u32 size = (u32)i->esize * i->vec;
    u64 imm = (u64)i->imm;
    bool shared = i->space == PTX_SPACE_SHARED;
    if (i->flags & PTX_IF_NO_BASE)
        return LEFT; /* there is no register */
    if (i->space == PTX_SPACE_GENERIC && (s->lo + imm) >> PTX_WINDOW_SHIFT == 1) {
        shared = true;
        imm -= PTX_WINDOW_SHARED;
    }
    *base = ptx_plus(shared ? w->shared : NULL, imm);
    return shared ? apart_shared(w, i, s, imm, size, write) : apart_global(w, i, s, imm, size, write);
}

/* ---- some lanes, in shared memory ---- */

/* For the race detector. `imm` makes register values offsets in shared memory. */
static bool race_some(ptx_warp *w, const ptx_insn *i, u64 imm, bool write)
{
    u64 addr[PTX_LANES] __attribute__((aligned(64)));
    const u32 lowest = (u32)__builtin_ctz(w->exec), highest = 31 - (u32)__builtin_clz(w->exec);
    if (!w->block->shared_shadow)
        return true;
    addresses(w, i, imm, addr);
    ptx_access x = {.insn = i,
                    .space = PTX_SPACE_SHARED,
                    .mask = w->exec,
                    .size = i->esize,
                    .read = !write,
                    .write = write,
                    .addr = addr,
                    .lo = addr[lowest],
                    .hi = addr[highest],
                    .slot = write ? ((const ptx_elements *)i->aux)->slot : NULL};
    return ptx_race_shared(w, &x);
}

/* Lanes of a row, one element each of 4 bytes at most, which is one wavefront; *at: what the lowest lane of the warp has
 * or would have. LEFT: whatever is not all right, or not a row. */
static outcome pass_some(ptx_warp *w, const ptx_insn *i, u32 size, u64 *at)
{
    const bool wide = i->flags & PTX_IF_WIDE_ADDRESS;
    const u32 lowest = (u32)__builtin_ctz(w->exec), highest = 31 - (u32)__builtin_clz(w->exec);
    if (size > 4 || i->space != PTX_SPACE_SHARED || i->flags & PTX_IF_NO_BASE ||
        w->worker->grid->cluster_blocks > 1)
        return LEFT;
    const u64 first = lane_address(w, i, 0), last = lane_address(w, i, PTX_LANES - 1);
    *at = first + (u64)i->imm;
    const u64 lo = *at + (u64)lowest * size, n = (u64)(highest - lowest + 1) * size;
    if (last - first != (u64)size * (PTX_LANES - 1) || *at & (size - 1) || lo >= w->shared_bytes ||
        w->shared_bytes - lo < n ||
        !(wide ? ptx_run64(IN(u64, i->a), size) : ptx_run32(IN(u32, i->a), size)).linear ||
        !ptx_known_find(w, (u32)lo, (u32)n))
        return LEFT;
    if (w->checks & PTX_CHECK_RACE && !race_some(w, i, (u64)i->imm, false))
        return FAULT;
    if (w->checks & PTX_CHECK_COUNT)
        count_shared(w, i, 1);
    return PASSED;
}

/* The only lane that stores. */
static outcome pass_lone(ptx_warp *w, const ptx_insn *i, u32 size, u64 *at)
{
    if (i->space != PTX_SPACE_SHARED || i->flags & PTX_IF_NO_BASE || w->worker->grid->cluster_blocks > 1)
        return LEFT;
    *at = lane_address(w, i, (u32)__builtin_ctz(w->exec)) + (u64)i->imm;
    if (*at & (size - 1) || *at >= w->shared_bytes || w->shared_bytes - *at < size)
        return LEFT;
    if (w->checks & PTX_CHECK_RACE && !race_some(w, i, (u64)i->imm, true))
        return FAULT;
    memset(w->shared_state + *at, PTX_INIT | PTX_WRITTEN, size);
    if (w->checks & PTX_CHECK_COUNT)
        count_shared(w, i, 1);
    return PASSED;
}

/* ---- handlers ---- */

/* A lone element has its register in the instruction. */
INLINE u32 element_slot(const ptx_insn *i, u32 v, u32 vec)
{
    return vec == 1 ? i->d : ((const ptx_elements *)i->aux)->slot[v];
}

/* A row of elements of T, `vec` a lane, from `from` to the registers, or the other way; one element to all lanes;
 * each lane's own, and the other way. */
#define MOVES(T)                                                                                   \
    INLINE void take_row_##T(ptx_warp *w, const ptx_insn *i, const T *from, u32 vec)               \
    {                                                                                              \
        for (u32 v = 0; v < vec; v++) {                                                            \
            const u32 slot = element_slot(i, v, vec);                                              \
            if (vec > 1 && slot == PTX_NO_SLOT)                                                    \
                continue;                                                                          \
            T *d = OUT(T, slot);                                                                   \
            const T *s = from + v;                                                                 \
            IVDEP EACH_LANE(l) d[l] = s[(u32)l * vec];                                             \
        }                                                                                          \
    }                                                                                              \
    INLINE void put_row_##T(const ptx_warp *w, const ptx_insn *i, T *to, u32 vec)                  \
    {                                                                                              \
        for (u32 v = 0; v < vec; v++) {                                                            \
            const T *s = IN(T, element_slot(i, v, vec));                                           \
            T *d = to + v;                                                                         \
            IVDEP EACH_LANE(l) d[(u32)l * vec] = s[l];                                             \
        }                                                                                          \
    }                                                                                              \
    INLINE void spread_##T(ptx_warp *w, const ptx_insn *i, const T *from, u32 vec)                 \
    {                                                                                              \
        for (u32 v = 0; v < vec; v++) {                                                            \
            const u32 slot = element_slot(i, v, vec);                                              \
            if (vec > 1 && slot == PTX_NO_SLOT)                                                    \
                continue;                                                                          \
            const T value = from[v];                                                               \
            T *d = OUT(T, slot);                                                                   \
            EACH_LANE(l) d[l] = value;                                                             \
        }                                                                                          \
    }                                                                                              \
    static void take_apart_##T(ptx_warp *w, const ptx_insn *i, const ptx_shape *s,                 \
                               const uint8_t *base)                                                \
    {                                                                                              \
        const ptx_elements *e = i->aux;                                                            \
        T t[PTX_LANES] __attribute__((aligned(64)));                                               \
        if (s->kind == PTX_SHAPE_ROWS && i->vec == 1) {                                            \
            for (u32 g = 0; g < PTX_LANES; g += 8) {                                               \
                const T *from = (const T *)(const void *)ptx_plus(base, lane_address(w, i, g));        \
                if (s->step)                                                                       \
                    memcpy(t + g, from, 8 * sizeof(T));                                            \
                else                                                                               \
                    for (u32 l = 0; l < 8; l++)                                                    \
                        t[g + l] = *from;                                                          \
            }                                                                                      \
            memcpy(OUT(T, e->slot[0]), t, sizeof t);                                               \
            return;                                                                                \
        }                                                                                          \
        u64 addr[PTX_LANES] __attribute__((aligned(64)));                                          \
        addresses(w, i, (u64)(uintptr_t)base, addr);                                               \
        for (u32 v = 0; v < i->vec; v++) {                                                         \
            if (e->slot[v] == PTX_NO_SLOT)                                                         \
                continue;                                                                          \
            T *d = OUT(T, e->slot[v]);                                                             \
            IVDEP EACH_LANE(l) d[l] = ((const T *)(uintptr_t)addr[l])[v];                          \
        }                                                                                          \
    }                                                                                              \
    static void put_apart_##T(const ptx_warp *w, const ptx_insn *i, uint8_t *base)                 \
    {                                                                                              \
        const ptx_elements *e = i->aux;                                                            \
        u64 addr[PTX_LANES] __attribute__((aligned(64)));                                          \
        addresses(w, i, (u64)(uintptr_t)base, addr);                                               \
        for (u32 v = 0; v < i->vec; v++) {                                                         \
            const T *from = IN(T, e->slot[v]);                                                     \
            for (u32 l = 0; l < PTX_LANES; l++)                                                    \
                ((T *)(uintptr_t)addr[l])[v] = from[l];                                            \
        }                                                                                          \
    }                                                                                              \
    static __attribute__((noinline)) void load_apart_##T(ptx_warp *w, const ptx_insn *i)           \
    {                                                                                              \
        uint8_t *base;                                                                             \
        ptx_shape *s = &w->shape[i->shape];                                                        \
        outcome o = apart(w, i, s, false, &base);                                                  \
        if (o == PASSED)                                                                           \
            take_apart_##T(w, i, s, base);                                                         \
        else if (o == LEFT)                                                                        \
            ptx_mem_load(w, i);                                                                    \
    }                                                                                              \
    static __attribute__((noinline)) void load_some_##T(ptx_warp *w, const ptx_insn *i)            \
    {                                                                                              \
        u64 at = 0;                                                                                \
        const outcome o = i->vec > 1 ? LEFT : pass_some(w, i, sizeof(T), &at);                     \
        if (o == LEFT)                                                                             \
            ptx_mem_load(w, i);                                                                    \
        if (o != PASSED)                                                                           \
            return;                                                                                \
        T *d = OUT(T, i->d);                                                                       \
        EACH_SET(l, w->exec) d[l] = *(const T *)(const void *)ptx_plus(w->shared, at + l * sizeof(T));\
    }                                                                                              \
    static __attribute__((noinline)) void store_some_##T(ptx_warp *w, const ptx_insn *i)           \
    {                                                                                              \
        u64 at = 0;                                                                                \
        const bool lone = i->vec == 1 && !(w->exec & (w->exec - 1));                               \
        const outcome o = lone ? pass_lone(w, i, sizeof(T), &at) : LEFT;                           \
        if (o == LEFT)                                                                             \
            ptx_mem_store(w, i);                                                                   \
        if (o == PASSED)                                                                           \
            *(T *)(void *)ptx_plus(w->shared, at) =                                                \
                IN(T, ((const ptx_elements *)i->aux)->slot[0])[__builtin_ctz(w->exec)];            \
    }                                                                                              \
    static __attribute__((noinline)) void store_apart_##T(ptx_warp *w, const ptx_insn *i)          \
    {                                                                                              \
        uint8_t *base;                                                                             \
        outcome o = apart(w, i, &w->shape[i->shape], true, &base);                                 \
        if (o == PASSED)                                                                           \
            put_apart_##T(w, i, base);                                                             \
        else if (o == LEFT)                                                                        \
            ptx_mem_store(w, i);                                                                   \
    }
MOVES(u16)
MOVES(u32)
MOVES(u64)

/* Where an access is: generic addresses tell themselves. */
INLINE bool is_shared(ptx_space space, u64 *at)
{
    if (space != PTX_SPACE_GENERIC || *at >> PTX_WINDOW_SHIFT != PTX_WINDOW_SHARED >> PTX_WINDOW_SHIFT)
        return space == PTX_SPACE_SHARED;
    *at -= PTX_WINDOW_SHARED;
    return true;
}

INLINE bool passes_global(ptx_warp *w, const ptx_insn *i, const ptx_shape *s, u64 at, u32 size)
{
    const ptx_site *site = &w->worker->site[i->site];
    const u32 n = s->kind == PTX_SHAPE_UNIFORM ? size : size * PTX_LANES;
    u64 from = at - site->lo;
    if (!site->plain || from >= site->bytes || site->bytes - from < n)
        return false;
    if (w->checks & PTX_CHECK_COUNT)
        count_span(w, i, site, from, n, size, false);
    return true;
}

#define LOAD(T, vec, space, name)                                                                  \
    static __attribute__((noinline)) void x_ld_##name##_other(ptx_warp *w, const ptx_insn *i)      \
    {                                                                                              \
        const u32 size = (vec) * (u32)sizeof(T), n = size * PTX_LANES;                             \
        const bool race = w->checks & PTX_CHECK_RACE;                                              \
        ptx_shape *s = &w->shape[i->shape];                                                        \
        if (w->exec != PTX_FULL) {                                                                 \
            load_some_##T(w, i);                                                                   \
            return;                                                                                \
        }                                                                                          \
        if (!is_told(w, i) && !tell_easy(w, i, s, size))                                            \
            tell(w, i, s);                                                                         \
        u64 at = s->lo + (u64)i->imm;                                                              \
        const bool shared = is_shared(space, &at);                                                 \
        const T *from = (const T *)(const void *)ptx_plus(shared ? w->shared : NULL, at);              \
        if (s->kind == PTX_SHAPE_UNIFORM && (shared ? pass_shared(w, i, s, at, size, size, false, race)\
                                                    : pass_global(w, i, at, size, size, false, race)))\
            spread_##T(w, i, from, vec);                                                           \
        else if (s->kind == PTX_SHAPE_ROW && (shared ? pass_shared(w, i, s, at, n, size, false, race)\
                                                     : pass_global(w, i, at, n, size, false, race)))\
            take_row_##T(w, i, from, vec);                                                         \
        else                                                                                       \
            load_apart_##T(w, i);                                                                  \
    }                                                                                              \
    static __attribute__((noinline)) void x_ld_##name##_race(ptx_warp *w, const ptx_insn *i)       \
    {                                                                                              \
        const ptx_shape *s = &w->shape[i->shape];                                                  \
        const u64 at = s->lo + (u64)i->imm;                                                        \
        const bool row = s->kind == PTX_SHAPE_ROW;                                                 \
        if (!ptx_passes_shared(s, at) || !race_note_read(w, i, at, (vec) * (u32)sizeof(T), row)) {     \
            x_ld_##name##_other(w, i);                                                             \
            return;                                                                                \
        }                                                                                          \
        const T *from = (const T *)(const void *)ptx_plus(w->shared, at);                              \
        if (row)                                                                                   \
            take_row_##T(w, i, from, vec);                                                         \
        else                                                                                       \
            spread_##T(w, i, from, vec);                                                           \
        PTX_CHAIN(w, i);                                                                           \
    }                                                                                              \
    static void x_ld_##name(ptx_warp *w, const ptx_insn *i)                                        \
    {                                                                                              \
        const ptx_shape *s = &w->shape[i->shape];                                                  \
        const u64 at = s->lo + (u64)i->imm;                                                        \
        if ((space) == PTX_SPACE_GENERIC || !ptx_is_easy(w, i) ||                                      \
            !((space) == PTX_SPACE_SHARED ? ptx_passes_shared(s, at)                                   \
                                          : passes_global(w, i, s, at, (vec) * (u32)sizeof(T)))) { \
            if ((space) == PTX_SPACE_SHARED && w->race_shapes >> i->shape & 1)                     \
                x_ld_##name##_race(w, i);                                                          \
            else                                                                                   \
                x_ld_##name##_other(w, i);                                                         \
            return;                                                                                \
        }                                                                                          \
        const T *from = (const T *)(const void *)ptx_plus((space) == PTX_SPACE_SHARED ? w->shared : NULL, at);\
        if (s->kind == PTX_SHAPE_UNIFORM)                                                          \
            spread_##T(w, i, from, vec);                                                           \
        else                                                                                       \
            take_row_##T(w, i, from, vec);                                                         \
        PTX_CHAIN(w, i);                                                                           \
    }
/* Whether the addresses of 64 bits are a row of global memory within the site's allocation. */
INLINE bool is_row_at(const ptx_site *site, const u64 *v, u64 imm, u32 size)
{
    const u32 n = size * PTX_LANES;
    const u64 from = v[0] + imm - site->lo;
    return v[PTX_LANES - 1] - v[0] == n - size && !(v[0] & (size - 1)) && from < site->bytes &&
           site->bytes - from >= n && ptx_run64(v, size).linear;
}

/* The only use of its shape in a basic block, of a register of 64 bits: a row of global memory is told and
 * dealt with in one go. */
/* The row behind this one is mostly that of the next warp, or of the next turn of a loop. */
#define FETCH(p, n, write)                                                                         \
    do {                                                                                           \
        for (u32 b_ = 0; b_ < (n); b_ += 64)                                                       \
            __builtin_prefetch((const uint8_t *)(p) + (n) + b_, write);                            \
    } while (0)

#define LOAD_ONCE(T, vec, name)                                                                    \
    static void x_ld_##name##_once(ptx_warp *w, const ptx_insn *i)                                 \
    {                                                                                              \
        const u32 size = (vec) * (u32)sizeof(T);                                                   \
        const u64 *v = IN(u64, i->a);                                                              \
        const ptx_site *site = &w->worker->site[i->site];                                          \
        if (w->whole != PTX_FULL || !site->plain || !is_row_at(site, v, (u64)i->imm, size)) {      \
            x_ld_##name##_other(w, i);                                                             \
            return;                                                                                \
        }                                                                                          \
        const u64 at = v[0] + (u64)i->imm;                                                         \
        FETCH(at, size * PTX_LANES, 0);                                                            \
        if (w->checks & PTX_CHECK_COUNT)                                                           \
            count_span(w, i, site, at - site->lo, size * PTX_LANES, size, false);                     \
        take_row_##T(w, i, (const T *)(const void *)ptx_plus(NULL, at), vec);                          \
        PTX_CHAIN(w, i);                                                                           \
    }
#define STORE(T, vec, space, name)                                                                 \
    static __attribute__((noinline)) void store_##name(ptx_warp *w, const ptx_insn *i, bool race)  \
    {                                                                                              \
        const u32 size = (vec) * (u32)sizeof(T), n = size * PTX_LANES;                             \
        ptx_shape *s = &w->shape[i->shape];                                                        \
        u64 at = s->lo + (u64)i->imm;                                                              \
        const bool shared = is_shared(space, &at);                                                 \
        T *to = (T *)(void *)ptx_plus(shared ? w->shared : NULL, at);                                  \
        if (s->kind != PTX_SHAPE_ROW || !(shared ? pass_shared(w, i, s, at, n, size, true, race)   \
                                                 : pass_global(w, i, at, n, size, true, race))) {  \
            store_apart_##T(w, i);                                                                 \
            return;                                                                                \
        }                                                                                          \
        put_row_##T(w, i, to, vec);                                                                \
        if (!shared && race)                                                                       \
            ptx_race_note_values(w, w->worker->site[i->site].alloc, at, n);                        \
    }                                                                                              \
    static void x_st_##name(ptx_warp *w, const ptx_insn *i)                                        \
    {                                                                                              \
        if (w->exec != PTX_FULL) {                                                                 \
            store_some_##T(w, i);                                                                  \
            return;                                                                                \
        }                                                                                          \
        ptx_shape *s = &w->shape[i->shape];                                                        \
        if (!is_told(w, i) && !tell_easy(w, i, s, (vec) * (u32)sizeof(T)))                         \
            tell(w, i, s);                                                       \
        store_##name(w, i, w->checks & PTX_CHECK_RACE);                                            \
    }

#define STORE_ONCE(T, vec, name)                                                                   \
    static void x_st_##name##_once(ptx_warp *w, const ptx_insn *i)                                 \
    {                                                                                              \
        const u32 size = (vec) * (u32)sizeof(T), n = size * PTX_LANES;                             \
        const u64 *v = IN(u64, i->a);                                                              \
        const ptx_site *site = &w->worker->site[i->site];                                          \
        ptx_alloc *a = site->alloc;                                                                \
        const u64 at = v[0] + (u64)i->imm;                                                         \
        const bool race = w->checks & PTX_CHECK_RACE;                                              \
        if (w->whole != PTX_FULL || !is_row_at(site, v, (u64)i->imm, size) || a->read_only ||      \
            (race && !ptx_race_row(w, i, a, at, size, true))) {                                    \
            x_st_##name(w, i);                                                                     \
            return;                                                                                \
        }                                                                                          \
        FETCH(at, n, 1);                                                                           \
        FETCH(a->state + (at - site->lo), n, 1);                                                   \
        memset(a->state + (at - site->lo), PTX_INIT | PTX_WRITTEN, n);                             \
        if (w->checks & PTX_CHECK_COUNT)                                                           \
            count_span(w, i, site, at - site->lo, n, size, true);                                     \
        put_row_##T(w, i, (T *)(void *)ptx_plus(NULL, at), vec);                                       \
        if (race)                                                                                  \
            ptx_race_note_values(w, a, at, n);                                                     \
        PTX_CHAIN(w, i);                                                                           \
    }

/* Type, elements, name, of every space. */
#define KINDS(X)                                                                                   \
    X(u16, 1, u16) X(u32, 1, u32) X(u64, 1, u64) X(u16, 2, v2u16) X(u32, 2, v2u32) X(u64, 2, v2u64) \
    X(u16, 4, v4u16) X(u32, 4, v4u32) X(u64, 4, v4u64)
#define EVERYWHERE(T, vec, name)                                                                   \
    LOAD(T, vec, PTX_SPACE_GLOBAL, name##_global)                                                  \
    LOAD_ONCE(T, vec, name##_global)                                                               \
    LOAD(T, vec, PTX_SPACE_SHARED, name##_shared)                                                  \
    LOAD(T, vec, PTX_SPACE_GENERIC, name##_generic)                                                \
    STORE(T, vec, PTX_SPACE_GLOBAL, name##_global)                                                 \
    STORE_ONCE(T, vec, name##_global)                                                              \
    STORE(T, vec, PTX_SPACE_SHARED, name##_shared)                                                 \
    STORE(T, vec, PTX_SPACE_GENERIC, name##_generic)
KINDS(EVERYWHERE)

#define ROW_OF(T, vec, space, name, load_once, store_once)                                         \
    {sizeof(T), vec, space, x_ld_##name, x_ld_##name##_other, load_once, x_st_##name, store_once},
#define ROW(T, vec, name)                                                                          \
    ROW_OF(T, vec, PTX_SPACE_GLOBAL, name##_global, x_ld_##name##_global_once,                     \
           x_st_##name##_global_once)                                                              \
    ROW_OF(T, vec, PTX_SPACE_SHARED, name##_shared, NULL, NULL)                                    \
    ROW_OF(T, vec, PTX_SPACE_GENERIC, name##_generic, NULL, NULL)
static const struct {
    u8 esize, vec, space;
    ptx_handler load, load_other, load_once, store, store_once; /* once: or NULL */
} table[] = {KINDS(ROW)};

/* The row of the table for plain accesses whose registers are as wide as the elements. */
static int find_row(const ptx_insn *i)
{
    u8 space = i->space == PTX_SPACE_CONST ? PTX_SPACE_GLOBAL : i->space;
    const ptx_elements *e = i->aux;
    if (i->esize != i->dsize || i->flags & (PTX_IF_STRONG | PTX_IF_FRAME) ||
        (i->vec == 1 && e->slot[0] == PTX_NO_SLOT) || i->imm & (i->esize * i->vec - 1))
        return -1; /* a displacement that is no multiple of the size spoils what a shape says of alignment */
    for (int r = 0; r < (int)WS_COUNT(table); r++)
        if (table[r].esize == i->esize && table[r].vec == i->vec && table[r].space == space)
            return r;
    return -1;
}

void ptx_fast_load(ptx_insn *i)
{
    int r = find_row(i);
    i->run = r < 0 ? ptx_mem_load : i->guard ? table[r].load_other : table[r].load;
    i->ahead = r >= 0 && !i->guard && i->space == PTX_SPACE_SHARED;
}

ptx_handler ptx_fast_store(const ptx_insn *i)
{
    int r = find_row(i);
    return r < 0 ? ptx_mem_store : table[r].store;
}

void ptx_fast_once(ptx_insn *i)
{
    for (size_t r = 0; r < WS_COUNT(table) && i->flags & PTX_IF_WIDE_ADDRESS; r++)
        if (table[r].load_once && (i->run == table[r].load || i->run == table[r].store)) {
            i->run = i->run == table[r].load ? table[r].load_once : table[r].store_once;
            return;
        }
}

void ptx_load_word_of_shared(ptx_warp *w, const ptx_insn *i)
{
    x_ld_u32_shared(w, i);
}

bool ptx_is_word_of_shared(const ptx_insn *i)
{
    return i->run == x_ld_u32_shared;
}
