/* Data races, after FastTrack (Flanagan and Freund, PLDI 2009), with the last write and the last
 * reads of every granule of memory in a shadow.
 *
 * Inside a block, time is a clock per warp that advances at barriers and at bar.warp.sync;
 * `seen[v]` of a warp says which accesses of warp v happened before. Lanes of one warp are ordered
 * only by bar.warp.sync: since Volta they may run apart. Between blocks nothing is ordered, unless
 * a fence and a strong access say so (order.c). Strong accesses and atomics do not race with each
 * other, nor do writes of the value that is there already.
 *
 * An access is first tried for all lanes at once, against `floor`: what every warp did before that
 * clock happened before. Only lanes that this does not settle are looked at one by one. Each worker
 * keeps its own shadow of global memory; what two workers did is compared at the end. */
#include "harness/ptx/race.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CLOCK_RESET = 1 << 18, HUGE_SHADOW = 8 << 20 /* bytes */ };

/* Pages come zeroed and only when touched. */
ptx_shadow *ptx_shadow_new(u64 bytes, u32 granule, bool is_global)
{
    ptx_shadow *s = ws_calloc(1, sizeof *s);
    u32 **column[] = {&s->w_key, &s->r_key, &s->r_who, &s->w_pc, &s->r_pc, &s->w_block,
                        &s->w_value, &s->w_time, &s->r_time};
    size_t columns = is_global ? 9 : 5;
    s->shift = (u32)__builtin_ctz(granule);
    s->n = (bytes >> s->shift) + 1;
    size_t stride = (s->n + 64) & ~63ull;
    s->mapped = columns * stride * sizeof(u32);
    s->map = mmap(NULL, s->mapped, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (s->map == MAP_FAILED) {
        free(s);
        return NULL;
    }
    if (s->mapped >= HUGE_SHADOW) /* fewer page faults; it is used as densely as what it shadows */
        madvise(s->map, s->mapped, MADV_HUGEPAGE);
    for (size_t c = 0; c < columns; c++)
        *column[c] = (u32 *)s->map + c * stride;
    s->touched = ws_calloc(s->n / SHADOW_CHUNK + 1, 1);
    s->chunk = is_global ? NULL : ws_calloc(s->n / RACE_CHUNK + 2, sizeof *s->chunk);
    s->kept = is_global ? ws_calloc(s->n / RACE_CHUNK + 2, sizeof *s->kept) : NULL;
    s->ahead = is_global ? NULL : ws_calloc(RACE_AHEADS, sizeof *s->ahead);
    return s;
}

void ptx_shadow_free(ptx_shadow *s)
{
    if (!s)
        return;
    munmap(s->map, s->mapped);
    race_far_free(s->far);
    free(s->touched);
    free(s->chunk);
    free(s->ahead);
    free(s->kept);
    free(s);
}

/* ---- clocks of the warps of a block ---- */

/* A block that runs in the place of an earlier one goes on with its clocks, so that its old cells
 * are ordered before and need no clearing. */
void ptx_race_block(ptx_block *b)
{
    u32 clock = 0;
    race_far_forget(b->shared_shadow);
    if (b->shared_shadow)
        race_forget_ahead(b->shared_shadow);
    memset(b->arrived_seen, 0, sizeof b->arrived_seen);
    for (int n = 0; n < b->n_warps; n++)
        clock = b->warp[n].clock > clock ? b->warp[n].clock : clock;
    if (clock > CLOCK_RESET && b->shared_shadow) {
        memset(b->shared_shadow->map, 0, b->shared_shadow->mapped);
        memset(b->shared_shadow->chunk, 0,
               (b->shared_shadow->n / RACE_CHUNK + 2) * sizeof *b->shared_shadow->chunk);
        b->shared_shadow->w_latest = 0;
        clock = 0;
    }
    for (int n = 0; n < b->n_warps; n++) {
        ptx_warp *w = &b->warp[n];
        w->clock = clock + 1;
        EACH_LANE(v) w->seen[v] = clock + 1;
        w->floor = clock + 1;
    }
    for (int n = 0; b->shared_shadow && n < PTX_LANES; n++)
        b->shared_shadow->proxied[n] = clock + 1;
}

static u32 larger(u32 a, u32 b)
{
    return a > b ? a : b;
}

/* Every access with a lower clock happened before, whichever warp made it. */
static u32 least_of(const u32 *seen, int n_warps)
{
    u32 least = KEY_CLOCK_MASK;
    for (int v = 0; v < n_warps; v++)
        least = seen[v] < least ? seen[v] : least;
    return least;
}

static void find_floor(ptx_warp *w)
{
    w->floor = least_of(w->seen, w->block->n_warps);
}

static void forget_order(ptx_warp *w)
{
    memset(w->seen, 0xff, sizeof w->seen);
    if (w->far)
        memset(w->far->warp, 0xff, sizeof w->far->warp);
}

/* A warp whose clock has run out counts as ordered with everything from then on: races that it has
 * may be missed, but none is invented. */
static void tick(ptx_warp *w)
{
    if (w->clock < KEY_CLOCK_MASK)
        w->seen[w->id] = ++w->clock;
    else
        forget_order(w);
}

static void advance(ptx_warp *w)
{
    tick(w);
    find_floor(w);
}

/* Whoever makes it, it stands behind its warp's own accesses and those that happened before. Of the
 * warp's later ones at the same clock it counts for behind, too: that can hide a missing fence, never
 * invent one. */
void ptx_race_proxy_fence(ptx_warp *w)
{
    ptx_shadow *s = w->block->shared_shadow;
    if (!s)
        return;
    EACH_LANE(v) s->proxied[v] = larger(s->proxied[v], w->seen[v]);
    s->proxied[w->id] = larger(s->proxied[w->id], w->clock + 1);
}

/* A sync of some lanes is taken for one of all: that too can hide a race, never invent one. */
void ptx_race_warp_sync(ptx_warp *w)
{
    advance(w);
}

static bool is_waiting_at(const ptx_warp *w, u32 id)
{
    return w->state == PTX_WARP_AT_BARRIER && w->barrier == id;
}

static void join(u32 *to, const u32 *from)
{
    EACH_LANE(v) to[v] = from[v] > to[v] ? from[v] : to[v];
}

void ptx_past_join(ptx_past *to, const ptx_past *from)
{
    to->blocks = larger(to->blocks, from->blocks);
    for (u32 r = 0; r < from->blocks; r++)
        join(to->warp[r], from->warp[r]);
}

void ptx_race_arrive(ptx_warp *w, u32 id)
{
    advance(w);
    join(w->block->arrived_seen[id], w->seen);
    if (w->far)
        ptx_past_join(&w->block->arrived_far[id], w->far);
}

/* The row of the warp's own block in `far` stays empty: `seen` has it. */
void ptx_race_release(ptx_warp *w, ptx_past *past)
{
    advance(w);
    past->blocks = w->worker->grid->cluster_blocks;
    join(past->warp[w->block->rank], w->seen);
    if (w->far)
        ptx_past_join(past, w->far);
}

void ptx_race_acquire(ptx_warp *w, const ptx_past *past)
{
    u32 rank = w->block->rank;
    for (u32 r = 0; r < past->blocks; r++)
        if (r == rank || w->far)
            join(r == rank ? w->seen : w->far->warp[r], past->warp[r]);
    find_floor(w);
}

/* A barrier of the whole block completes when all other threads have exited: exit is an arrival
 * ("exit" in the ISA), so what warps did before they ended happens before. */
void ptx_race_barrier(ptx_block *b, u32 id)
{
    if (!b->warp[0].worker->grid->options->check_race)
        return;
    u32 joined[PTX_LANES] = {0};
    bool whole = false;
    for (int n = 0; n < b->n_warps; n++)
        if (is_waiting_at(&b->warp[n], id)) {
            tick(&b->warp[n]);
            join(joined, b->warp[n].seen);
            whole |= !b->warp[n].barrier_threads;
        }
    for (int n = 0; n < b->n_warps && whole; n++)
        if (b->warp[n].state == PTX_WARP_DONE) {
            advance(&b->warp[n]);
            join(joined, b->warp[n].seen);
        }
    join(joined, b->arrived_seen[id]);
    memset(b->arrived_seen[id], 0, sizeof b->arrived_seen[id]);
    if (b->arrived_far)
        race_cluster_barrier(b, id);
    u32 floor = least_of(joined, b->n_warps);
    for (int n = 0; n < b->n_warps; n++)
        if (is_waiting_at(&b->warp[n], id)) {
            memcpy(b->warp[n].seen, joined, sizeof joined);
            b->warp[n].floor = floor;
        }
}

/* ---- chunks of shared memory ---- */

void race_add_read(ptx_shadow *s, u32 g, u32 key, u32 who, u32 pc, u32 floor)
{
    u32 old = s->r_key[g];
    bool keep = !(old & KEY_STRONG) && (old & KEY_CLOCK_MASK) >= floor && !race_same_thread(old, key);
    s->r_who[g] = who | (keep ? s->r_who[g] : 0);
    s->r_key[g] = keep ? race_merge_reads(old, key) : key;
    s->r_pc[g] = pc;
}

/* Spreads the chunk's full-warp read over its granules, as reads of their own. */
static void spread_read(ptx_shadow *s, u32 index, u32 floor)
{
    race_chunk *c = &s->chunk[index];
    u32 one = (c->r_who & (c->r_who - 1)) == 0, warp = (u32)__builtin_ctz(c->r_who | 1u << 31);
    for (u32 g = index * RACE_CHUNK; g < (index + 1) * RACE_CHUNK && g < s->n; g++) {
        u32 lane = (g - c->r_base) >> c->r_shift;
        u32 key =
            c->r_clock | warp << KEY_WARP_SHIFT | lane << KEY_LANE_SHIFT | (one ? 0 : KEY_MANY);
        race_add_read(s, g, key, c->r_who, c->r_pc, floor);
    }
    c->r_max = larger(c->r_max, c->r_clock);
    c->r_clock = 0;
}

static void spread_write(ptx_shadow *s, u32 index)
{
    race_chunk *c = &s->chunk[index];
    for (u32 g = index * RACE_CHUNK; g < (index + 1) * RACE_CHUNK && g < s->n; g++) {
        s->w_key[g] = c->w_key | ((g - c->w_base) >> c->w_shift) << KEY_LANE_SHIFT;
        s->w_pc[g] = c->w_pc;
    }
    c->w_key = 0;
}

/* Before granules first to last are looked at one by one; true: another block has been there. */
static bool open_range(const ptx_warp *w, ptx_shadow *s, u32 first, u32 last, bool write)
{
    bool far = false;
    for (u32 c = first / RACE_CHUNK; c <= last / RACE_CHUNK; c++) {
        far |= s->far && s->far->used[c];
        if (s->chunk[c].w_key)
            spread_write(s, c);
        if (write) {
            if (s->chunk[c].r_clock)
                spread_read(s, c, w->floor);
            s->chunk[c].w_max = larger(s->chunk[c].w_max, w->clock);
        } else {
            s->chunk[c].r_max = larger(s->chunk[c].r_max, w->clock);
        }
    }
    return far;
}

void race_open_far(ptx_shadow *s, u32 c, bool write)
{
    race_spread_ahead(s, 0);
    if (s->chunk[c].w_key)
        spread_write(s, c);
    if (write && s->chunk[c].r_clock)
        spread_read(s, c, 0);
    if (write)
        s->chunk[c].w_max = KEY_CLOCK_MASK;
    s->chunk[c].r_max = KEY_CLOCK_MASK;
}

/* Lanes far apart are taken for the whole stretch between. */
static void open_chunks(race_look *k)
{
    const ptx_shadow *s = k->shadow;
    k->each |= open_range(k->w, k->shadow, (u32)(k->x->lo >> s->shift),
                          (u32)((k->x->hi + k->x->size - 1) >> s->shift), k->x->write);
}

/* ---- whole chunks ---- */

static void fast_linear_write(const ptx_warp *w, ptx_shadow *s, u32 g0, u32 shift, u32 pc)
{
    for (u32 c = g0 / RACE_CHUNK; c < (g0 + (PTX_LANES << shift)) / RACE_CHUNK; c++) {
        race_chunk *k = &s->chunk[c];
        if (k->r_max) /* else there is none */
            memset(s->r_key + c * RACE_CHUNK, 0, RACE_CHUNK * sizeof *s->r_key);
        *k = (race_chunk){.w_max = w->clock,
                          .w_key = w->clock | (u32)w->id << KEY_WARP_SHIFT,
                          .w_pc = pc,
                          .w_base = g0,
                          .w_shift = shift};
    }
}

static void fast_linear_read(const ptx_warp *w, ptx_shadow *s, u32 g0, u32 shift, u32 pc)
{
    for (u32 c = g0 / RACE_CHUNK; c < (g0 + (PTX_LANES << shift)) / RACE_CHUNK; c++) {
        race_chunk *k = &s->chunk[c];
        k->r_who = (k->r_clock == w->clock ? k->r_who : 0) | 1u << w->id;
        k->r_clock = w->clock;
        k->r_pc = pc;
        k->r_base = g0;
        k->r_shift = shift;
    }
}

/* Whether no granule of the chunks has an unordered user who would matter. */
static bool chunks_settled(const ptx_warp *w, const ptx_shadow *s, u32 g0, u32 n, u32 shift,
                           bool row, bool write)
{
    u32 floor = w->floor;
    if (row && g0 % RACE_CHUNK)
        return false;
    for (u32 c = g0 / RACE_CHUNK; c <= (g0 + n - 1) / RACE_CHUNK; c++) {
        const race_chunk *k = &s->chunk[c];
        bool again = k->r_clock == w->clock && k->r_base == g0 && k->r_shift == shift;
        if (k->w_max >= floor || (write && (k->r_max >= floor || k->r_clock >= floor)) ||
            (row && !write && k->r_clock >= floor && !again))
            return false;
    }
    return true;
}

bool ptx_race_fast(ptx_warp *w, const ptx_insn *i, u64 first, u32 size, bool row, bool write)
{
    ptx_shadow *s = w->block->shared_shadow;
    if (!s)
        return true;
    if (write && w->block->bulk_reads)
        return false;
    if (write)
        race_before_write(w, s);
    u32 shift = (u32)__builtin_ctz(size) - s->shift, g0 = (u32)(first >> s->shift);
    if (size >> s->shift == 0 || (!row && write))
        return false;
    u32 n = (row ? (u32)PTX_LANES : 1u) << shift;
    if (!chunks_settled(w, s, g0, n, shift, row, write)) {
        race_look k = {.w = w, .shadow = s, .me = 1u << w->id, .pc = i->place};
        race_row r = {.g0 = g0,
                      .n = n,
                      .shift = shift,
                      .first = w->clock | (u32)w->id << KEY_WARP_SHIFT,
                      .shared = true};
        return row && !open_range(w, s, g0, g0 + n - 1, write) && race_touch_row(&k, &r, write);
    }
    if (!row)
        for (u32 g = g0; g < g0 + n; g++)
            race_uniform_read(w, s, g, i->place);
    else if (write)
        fast_linear_write(w, s, g0, shift, i->place);
    else
        fast_linear_read(w, s, g0, shift, i->place);
    return true;
}

/* ---- one lane ---- */

/* Inside the block. */
static bool is_ordered(const race_look *k, u32 key, u32 lane)
{
    const ptx_warp *w = k->w;
    if ((key & KEY_CLOCK_MASK) < w->seen[race_warp(key)])
        return true;
    u32 thread = race_thread(k->x, lane);
    return race_same_thread(key, (u32)w->id << KEY_WARP_SHIFT | thread << KEY_LANE_SHIFT);
}

static bool reads_ordered(const race_look *k, u64 g, u32 lane)
{
    const ptx_warp *w = k->w;
    u32 key = k->shadow->r_key[g], who = k->shadow->r_who[g];
    if (k->alloc && who != k->me)
        return ptx_order_before(w, who, k->shadow->r_time[g]);
    if (k->alloc || !(key & KEY_MANY))
        return is_ordered(k, key, lane);
    for (u32 left = who; left; left &= left - 1)
        if ((key & KEY_CLOCK_MASK) >= w->seen[__builtin_ctz(left)])
            return false;
    return true;
}

static bool write_ordered(const race_look *k, u64 g, u32 lane)
{
    if (k->alloc && k->shadow->w_block[g] != k->me)
        return ptx_order_before(k->w, k->shadow->w_block[g], k->shadow->w_time[g]);
    if (k->shadow->w_key[g] & KEY_FAR)
        return race_far_write_before(k, g, lane);
    return is_ordered(k, k->shadow->w_key[g], lane);
}

/* A write of the value that is there already, or that another lane writes in the same
 * instruction. */
bool race_same_value(const race_look *k, u64 g, u32 lane)
{
    const ptx_insn *i = k->x->insn;
    const ptx_warp *w = k->w;
    const ptx_shadow *s = k->shadow;
    const uint8_t *to = k->alloc
                            ? (const uint8_t *)(uintptr_t)k->x->addr[lane]
                            : (k->x->block ? k->x->block : w->block)->shared + k->x->addr[lane];
    if (k->x->from)
        return memcmp(to, k->x->from[lane], k->x->size) == 0;
    if (!k->x->slot)
        return false;
    u32 key = s->w_key[g], other = race_lane(key);
    bool now = race_warp(key) == (u32)w->id && (key & KEY_CLOCK_MASK) == w->clock &&
               s->w_pc[g] == k->pc && (!k->alloc || s->w_block[g] == k->me) &&
               k->x->mask >> other & 1 && k->x->addr[other] == k->x->addr[lane];
    bool in_memory = true, in_lanes = now;
    for (int e = 0; e < i->vec; e++) {
        const uint8_t *reg = IN(uint8_t, k->x->slot[e]);
        in_memory &=
            memcmp(to + (size_t)e * i->esize, reg + (size_t)lane * i->dsize, i->esize) == 0;
        in_lanes &=
            memcmp(reg + (size_t)other * i->dsize, reg + (size_t)lane * i->dsize, i->esize) == 0;
    }
    return now ? in_lanes : in_memory;
}

/* The bytes that `lane` writes to part `part` of its access. Atomics have no value that is known
 * here; they are told apart by their key. */
static u32 value_of(const race_look *k, u32 part, u32 lane)
{
    const ptx_warp *w = k->w;
    const ptx_insn *i = k->x->insn;
    u32 granule = 1u << k->shadow->shift, at = part * granule, v = 0;
    if (k->x->from && at + granule <= k->x->size)
        memcpy(&v, k->x->from[lane] + at, granule);
    if (!k->x->slot)
        return v;
    const uint8_t *reg = IN(uint8_t, k->x->slot[at / i->esize]);
    memcpy(&v, reg + (size_t)lane * i->dsize + at % i->esize, granule);
    return v;
}

static u32 part_of(const race_look *k, u64 g, u32 lane)
{
    return (u32)(g - ((k->x->addr[lane] - k->base) >> k->shadow->shift));
}

static void record_write(const race_look *k, u64 g, u32 lane)
{
    ptx_shadow *s = k->shadow;
    u32 key = k->key | race_thread(k->x, lane) << KEY_LANE_SHIFT;
    s->r_key[g] = 0;
    if (key & KEY_STRONG && s->w_key[g] == (key & ~(KEY_STRONG | KEY_NARROW)) &&
        (!k->alloc || s->w_block[g] == k->me))
        return; /* the thread's own plain write stays: it conflicts with more */
    s->w_key[g] = key;
    s->w_pc[g] = k->pc;
    if (k->alloc) {
        s->w_block[g] = k->me;
        s->w_value[g] = value_of(k, part_of(k, g, lane), lane);
        s->w_time[g] = k->time;
    }
}

static void record_read(const race_look *k, u64 g, u32 lane, u32 many)
{
    ptx_shadow *s = k->shadow;
    u32 key = k->key | race_thread(k->x, lane) << KEY_LANE_SHIFT | many, old = s->r_key[g];
    bool is_strong = key & KEY_STRONG, was_strong = old & KEY_STRONG;
    if (!old || reads_ordered(k, g, lane) || (was_strong && !is_strong)) {
        s->r_key[g] = key;
        s->r_pc[g] = k->pc;
        s->r_who[g] = k->me;
        if (k->alloc)
            s->r_time[g] = k->time;
        return;
    }
    if (is_strong && !was_strong)
        return; /* plain reads conflict with more than strong ones: they alone are kept */
    s->r_key[g] = race_merge_reads(old, key);
    s->r_who[g] = k->alloc ? (s->r_who[g] == k->me ? k->me : MANY_BLOCKS) : s->r_who[g] | k->me;
}

/* Volatile accesses by lanes of one warp that no bar.warp.sync orders do not race, but are right only while the
 * lanes run in step. */
static void warn_of_lanes(const race_look *k, u64 g, u32 lane)
{
    const ptx_shadow *s = k->shadow;
    u32 w_key = s->w_key[g], r_key = s->r_key[g], me = (u32)k->w->id;
    if (w_key & KEY_STRONG && !(w_key & KEY_FAR) && race_warp(w_key) == me && s->w_pc[g] != k->pc &&
        !is_ordered(k, w_key, lane))
        race_warn(k, g, RACE_WRITE);
    else if (k->x->write && r_key & KEY_STRONG && s->r_who[g] == k->me && s->r_pc[g] != k->pc &&
             !reads_ordered(k, g, lane))
        race_warn(k, g, RACE_READ);
}

/* A bulk copy reads what threads wrote: there is a fence of proxies on the way (PTX ISA 8.6.1). */
static bool is_proxied(const race_look *k, u64 g)
{
    const ptx_shadow *s = k->shadow;
    const u32 key = s->w_key[g];
    return !key || key & KEY_FAR || (key & KEY_CLOCK_MASK) < s->proxied[race_warp(key)] ||
           race_is_async(ptx_insn_at(k->w->worker->grid->program, s->w_pc[g]));
}

/* false: a race, which was reported */
static bool touch(const race_look *k, u64 g, u32 lane, u32 many)
{
    const ptx_shadow *s = k->shadow;
    const ptx_access *x = k->x;
    bool my_write = !k->alloc ? !(s->w_key[g] & KEY_FAR) : s->w_block[g] == k->me;
    bool my_read = !k->alloc || s->r_who[g] == k->me;
    if (!k->alloc && k->key & KEY_STRONG && !x->atomic)
        warn_of_lanes(k, g, lane);
    if (s->w_key[g] && !race_both_strong(s->w_key[g], k->key, my_write) &&
        !write_ordered(k, g, lane) && !(x->write && race_same_value(k, g, lane)) &&
        !race_report(k, lane, g, RACE_WRITE))
        return false;
    if (!x->write) {
        if (x->by && !k->alloc && race_is_async(x->insn) && !is_proxied(k, g))
            return race_report_proxy(k, lane, g);
        record_read(k, g, lane, many);
        return true;
    }
    if (s->r_key[g] && !race_both_strong(s->r_key[g], k->key, my_read) &&
        !reads_ordered(k, g, lane) && !race_report(k, lane, g, RACE_READ))
        return false;
    if (k->each && !race_far_reads_before(k, g, lane))
        return false;
    record_write(k, g, lane);
    return true;
}

/* ---- all lanes at once ---- */

/* The granules of the lanes, or the dummy. */
static void granules_of(const race_look *k, u32 part, u32 g[PTX_LANES])
{
    u32 dummy = (u32)k->shadow->n, mask = k->x->mask;
    EACH_LANE(l)
    {
        u32 at = (u32)((k->x->addr[l] - k->base) >> k->shadow->shift) + part;
        g[l] = mask >> l & 1 ? at : dummy;
    }
}

/* Sets a bit for every lane that the floor does not settle. In global memory the last access must
 * be this block's own, or there must be none. */
static u32 unsettled(const race_look *k, const u32 *key_of, const u32 *who, const u32 g[PTX_LANES])
{
    u32 floor = k->w->floor, mine = k->key, me = k->me, bad[PTX_LANES], out = 0;
    EACH_LANE(l)
    {
        u32 key = key_of[g[l]];
        bool own = race_same_thread(key, mine | (u32)l << KEY_LANE_SHIFT);
        bad[l] = (key & KEY_CLOCK_MASK) >= floor && !own;
    }
    if (k->alloc)
        EACH_LANE(l) bad[l] |= key_of[g[l]] && who[g[l]] != me;
    EACH_LANE(l) out |= bad[l] << l;
    return out & k->x->mask;
}

/* Plain reads of granules that nobody writes now. Lanes that read the same granule make it a read
 * by many. */
static void read_all(const race_look *k, const u32 g[PTX_LANES])
{
    ptx_shadow *s = k->shadow;
    u32 key = k->key, floor = k->w->floor, me = k->me, pc = k->pc;
    u32 next[PTX_LANES], who[PTX_LANES], time[PTX_LANES], mask = k->x->mask, differs = 0;
    bool shared = !k->alloc;
    EACH_LANE(l)
    {
        u32 old = s->r_key[g[l]], old_who = s->r_who[g[l]], mine = key | (u32)l << KEY_LANE_SHIFT;
        bool settled = (old & KEY_CLOCK_MASK) < floor || race_same_thread(old, mine);
        bool is_fresh = !old || old & KEY_STRONG || (settled && (shared || old_who == me));
        next[l] = is_fresh ? mine : race_merge_reads(old, mine);
        who[l] = is_fresh ? me : shared ? old_who | me : old_who == me ? me : MANY_BLOCKS;
        time[l] = shared ? 0 : is_fresh ? k->time : s->r_time[g[l]];
    }
#pragma GCC ivdep
    EACH_LANE(l)
    {
        s->r_key[g[l]] = next[l];
        s->r_who[g[l]] = who[l];
        s->r_pc[g[l]] = pc;
    }
    if (!shared)
        EACH_LANE(l) s->r_time[g[l]] = time[l];
    EACH_LANE(l) differs |= mask >> l & 1 ? s->r_key[g[l]] ^ next[l] : 0;
    if (differs) {
        EACH_SET(l, mask)
            if (s->r_key[g[l]] != next[l])
                s->r_key[g[l]] |= KEY_MANY;
    }
}

/* Writes to granules that nobody uses now; 0, or the lanes that another lane got in the way of. */
static u32 write_all(const race_look *k, u32 part, const u32 g[PTX_LANES])
{
    ptx_shadow *s = k->shadow;
    u32 key = k->key, pc = k->pc, me = k->me, lost = 0;
#pragma GCC ivdep
    EACH_LANE(l)
    {
        s->w_key[g[l]] = key | (u32)l << KEY_LANE_SHIFT;
        s->w_pc[g[l]] = pc;
        s->r_key[g[l]] = 0;
    }
    if (k->alloc) {
#pragma GCC ivdep
        EACH_LANE(l) s->w_block[g[l]] = me;
        EACH_LANE(l) s->w_value[g[l]] = value_of(k, part, (u32)l);
        EACH_LANE(l) s->w_time[g[l]] = k->time;
    }
    EACH_LANE(l) lost |= (u32)(s->w_key[g[l]] != (key | (u32)l << KEY_LANE_SHIFT)) << l;
    return lost & k->x->mask;
}

static bool touch_each(const race_look *k, const u32 g[PTX_LANES], u32 lanes)
{
    EACH_SET(l, lanes)
        if (!touch(k, g[l], l, 0))
            return false;
    return true;
}

enum { ROW = PTX_LANES / 2, FEW = 2 };

/* Reads of ROW consecutive granules of shared memory by lanes from lane0 on. false: a write stands
 * there that the floor does not settle; nothing was done. */
static bool read_row(const race_look *k, u32 g0, u32 lane0, u32 many)
{
    const ptx_shadow *s = k->shadow;
    u32 *r_key = s->r_key + g0, *r_who = s->r_who + g0, *r_pc = s->r_pc + g0;
    const u32 *w_key = s->w_key + g0;
    u32 floor = k->w->floor, me = k->me, pc = k->pc, bad = 0;
    u32 first = (k->key & ~KEY_STRONG) | lane0 << KEY_LANE_SHIFT;
    for (u32 j = 0; j < ROW; j++)
        bad |= (w_key[j] & KEY_CLOCK_MASK) >= floor &&
               !race_same_thread(w_key[j], first + (j << KEY_LANE_SHIFT));
    if (bad)
        return false;
    for (u32 j = 0; j < ROW; j++) {
        u32 mine = first + (j << KEY_LANE_SHIFT), old = r_key[j];
        bool fresh =
            (old & KEY_CLOCK_MASK) < floor || old & KEY_STRONG || race_same_thread(old, mine);
        r_key[j] = fresh ? mine | many : race_merge_reads(old, mine);
        r_who[j] = fresh ? me : r_who[j] | me;
        r_pc[j] = pc;
    }
    return true;
}

/* Reads by the lanes of `mask` of granules g0 + lane, in shared memory. false as above. */
static bool read_some(const race_look *k, u32 g0, u32 mask)
{
    const ptx_shadow *s = k->shadow;
    u32 *r_key = s->r_key + g0, *r_who = s->r_who + g0, *r_pc = s->r_pc + g0;
    const u32 *w_key = s->w_key + g0;
    u32 floor = k->w->floor, me = k->me, pc = k->pc, key = k->key, bad = 0;
    EACH_LANE(l)
        bad |= (mask >> l & 1) & ((w_key[l] & KEY_CLOCK_MASK) >= floor) &
               !race_same_thread(w_key[l], key | (u32)l << KEY_LANE_SHIFT);
    if (bad)
        return false;
    EACH_LANE(l)
    {
        u32 mine = key | (u32)l << KEY_LANE_SHIFT, old = r_key[l], on = mask >> l & 1;
        bool fresh = ((old & KEY_CLOCK_MASK) < floor) | ((old & KEY_STRONG) != 0) | race_same_thread(old, mine);
        r_key[l] = on ? (fresh ? mine : race_merge_reads(old, mine)) : old;
        r_who[l] = on ? (fresh ? me : r_who[l] | me) : r_who[l];
        r_pc[l] = on ? pc : r_pc[l];
    }
    return true;
}

/* The same for whatever lanes take part, when their addresses, and those of the others, are a row. */
static bool read_row_of_some(const race_look *k)
{
    const ptx_access *x = k->x;
    u64 g0 = x->addr[0] >> k->shadow->shift;
    return x->size >> k->shadow->shift == 1 && ptx_is_linear(x->addr, x->size) && g0 + PTX_LANES <= k->shadow->n &&
           read_some(k, (u32)g0, x->mask);
}

/* A full warp whose halves each read one granule, or consecutive ones. */
static bool read_rows(const race_look *k, const u32 g[PTX_LANES])
{
    bool twice = g[0] == g[ROW] && g[ROW - 1] == g[PTX_LANES - 1];
    ptx_run row[2] = {ptx_run16(g, 1), ptx_run16(g + ROW, 1)};
    if (!(row[0].uniform | row[0].linear) || !(row[1].uniform | row[1].linear) ||
        k->key & KEY_STRONG)
        return false;
    for (u32 h = 0; h < (twice ? 1 : 2); h++) {
        u32 g0 = g[h * ROW];
        if (row[h].linear ? !read_row(k, g0, h * ROW, twice ? KEY_MANY : 0)
                       : (k->shadow->w_key[g0] & KEY_CLOCK_MASK) >= k->w->floor)
            return false;
        if (!row[h].linear)
            race_uniform_read(k->w, k->shadow, g0, k->pc);
    }
    return true;
}

/* One granule of every lane. */
static bool touch_part(const race_look *k, u32 part, const u32 g[PTX_LANES])
{
    const ptx_shadow *s = k->shadow;
    if (k->key & KEY_STRONG || k->x->by || k->each || __builtin_popcount(k->x->mask) <= FEW)
        return touch_each(k, g, k->x->mask);
    if (!k->alloc && !k->x->write && k->x->mask == PTX_FULL && read_rows(k, g))
        return true;
    u32 slow = unsettled(k, s->w_key, s->w_block, g);
    if (!k->x->write) {
        if (slow)
            return touch_each(k, g, k->x->mask);
        read_all(k, g);
        return true;
    }
    slow |= unsettled(k, s->r_key, s->r_who, g);
    if (slow)
        return touch_each(k, g, k->x->mask);
    return touch_each(k, g, write_all(k, part, g));
}

static void mark_touched(const race_look *k)
{
    u8 bit = k->x->write ? 2 : 1;
    EACH_SET(l, k->x->mask)
    {
        u64 at = (k->x->addr[l] - k->base) >> k->shadow->shift,
            end = at + (k->x->size >> k->shadow->shift);
        race_open_rows(k->shadow, k->alloc, at, end);
        k->shadow->touched[at / SHADOW_CHUNK] |= bit;
        k->shadow->touched[end / SHADOW_CHUNK] |= bit;
    }
}

static bool touch_all(race_look *k)
{
    const ptx_access *x = k->x;
    u32 g[PTX_LANES], parts = x->size >> k->shadow->shift;
    parts = parts ? parts : 1;
    if (k->alloc) {
        mark_touched(k);
    } else {
        if (x->write)
            race_before_write(k->w, k->shadow);
        open_chunks(k);
    }
    if (!x->write && !x->by && x->mask == PTX_FULL && ptx_is_uniform(x->addr)) {
        u64 at = (x->addr[0] - k->base) >> k->shadow->shift;
        for (u32 p = 0; p < parts; p++)
            if (!touch(k, at + p, 0, KEY_MANY))
                return false;
        return true;
    }
    if (!k->alloc && !x->write && !x->by && !k->each && !(k->key & KEY_STRONG) && x->mask != PTX_FULL &&
        read_row_of_some(k))
        return true;
    for (u32 p = 0; p < parts; p++) {
        granules_of(k, p, g);
        if (!touch_part(k, p, g))
            return false;
    }
    return true;
}

/* ---- accesses ---- */

static u32 key_of(const ptx_warp *w, const ptx_access *x)
{
    u32 strong =
        x->atomic || x->strong ? KEY_STRONG | (ptx_is_narrow(x->insn) ? KEY_NARROW : 0) : 0;
    return w->clock | (u32)w->id << KEY_WARP_SHIFT | strong;
}

bool ptx_race_shared(ptx_warp *w, const ptx_access *x)
{
    const ptx_block *b = x->block ? x->block : w->block;
    if (x->write && b->bulk_reads && !ptx_bulk_may_write(w, x, b))
        return false;
    u64 base = PTX_WINDOW_SHARED + ((u64)b->rank << PTX_RANK_SHIFT);
    if ((x->atomic || x->strong) && !x->is_object)
        EACH_SET(l, x->mask) ptx_order_access(w, x->insn, base + x->addr[l], x->write);
    if (b != w->block)
        return race_far(w, x, x->insn->place);
    race_look k = {.w = w,
                   .x = x,
                   .shadow = w->block->shared_shadow,
                   .key = key_of(w, x),
                   .me = 1u << w->id,
                   .pc = x->insn->place};
    return touch_all(&k);
}

ptx_shadow *race_shadow_of(ptx_worker *k, ptx_alloc *a)
{
    for (struct ptx_gshadow *s = k->gshadow; s; s = s->next)
        if (s->alloc == a)
            return s->shadow;
    struct ptx_gshadow *s = ws_calloc(1, sizeof *s);
    s->alloc = a;
    s->shadow = ptx_shadow_new(a->hi - a->lo, k->grid->program->granule, true);
    if (s->shadow)
        s->shadow->alone = k->grid->n_workers == 1;
    s->next = k->gshadow;
    k->gshadow = s;
    return s->shadow;
}

bool ptx_race_global(ptx_warp *w, const ptx_access *x, ptx_alloc *alloc)
{
    if (alloc->only_read)
        return true;
    if (x->atomic || x->strong)
        EACH_SET(l, x->mask) ptx_order_access(w, x->insn, x->addr[l], x->write);
    race_look k = {.w = w,
                   .x = x,
                   .shadow = race_shadow_of(w->worker, alloc),
                   .alloc = alloc,
                   .base = alloc->lo,
                   .key = key_of(w, x),
                   .me = w->block->index,
                   .pc = x->insn->place,
                   .time = ptx_order_time(w)};
    return !k.shadow || touch_all(&k);
}

/* ---- the launch ---- */

/* Sets only_read of every allocation that a word of parameter p points into. */
static void set_only_read(ptx_grid *g, const ptx_var *p, bool only_read)
{
    const uint8_t *block = g->args->params;
    for (u64 at = 0; at + 8 <= p->bytes; at += 8) {
        u64 address;
        memcpy(&address, block + p->address + at, 8);
        ptx_alloc *a = ptx_memory_find(g->mem, address);
        if (a)
            a->only_read = only_read;
    }
}

static void find_only_read(ptx_grid *g)
{
    const ptx_program *p = g->program;
    const ptx_func *f = p->code[0]->fn;
    for (int i = 0; i < g->mem->n; i++)
        g->mem->alloc[i]->only_read = g->mem->alloc[i]->read_only;
    for (int pass = 0; pass < 2 && !p->stores_unknown; pass++)
        for (int k = 0; k < f->n_params; k++)
            if ((int)(p->store_roots >> k & 1) == pass)
                set_only_read(g, f->param[k], pass == 0);
}

void ptx_race_begin(ptx_grid *g)
{
    find_only_read(g);
    bool ordered = ptx_blocks_may_wait(g) || g->program->has_local_fence || g->cluster_blocks > 1;
    for (int k = 0; k < g->n_workers && g->options->check_race && ordered; k++)
        g->worker[k].clocks = ptx_clocks_new(g);
}

void ptx_race_end(ptx_grid *g, ptx_worker *workers, int n)
{
    race_merge(g, workers, n);
    for (int i = 0; i < n; i++) {
        for (struct ptx_gshadow *s = workers[i].gshadow, *next; s; s = next) {
            next = s->next;
            ptx_shadow_free(s->shadow);
            free(s);
        }
        ptx_clocks_free(workers[i].clocks);
    }
}
