/* Rows: what a full warp reads or writes in consecutive granules. In global memory they are kept by
 * chunks as long as nothing else happens there, which is mostly for ever; else, and in shared memory, all
 * granules are dealt with in one step. */
#include "harness/ptx/race.h"

#include <string.h>

/* ---- granule by granule ---- */

/* Whether the floor settles all of them, or they are the lanes' own. */
static bool row_settled(const race_look *k, const race_row *r, const u32 *keys, const u32 *who)
{
    u32 floor = k->w->floor, me = k->me, bad = 0, n = r->n, shift = r->shift, first = r->first;
    keys += r->g0;
    who += r->g0;
    u32 any = 0;
    for (u32 j = 0; j < n; j++)
        any |= keys[j];
    if (!any)
        return true;
    for (u32 j = 0; j < n; j++) {
        u32 own = first + (j >> shift << KEY_LANE_SHIFT);
        bad |= ((keys[j] & KEY_CLOCK_MASK) >= floor) & !race_same_thread(keys[j], own);
    }
    for (u32 j = 0; !r->shared && j < n; j++)
        bad |= (keys[j] != 0) & (who[j] != me);
    return !bad;
}

static void row_read(const race_look *k, const race_row *r)
{
    const ptx_shadow *s = k->shadow;
    u32 *r_key = s->r_key + r->g0, *r_who = s->r_who + r->g0, *r_pc = s->r_pc + r->g0;
    u32 floor = k->w->floor, me = k->me, pc = k->pc, n = r->n, shift = r->shift, first = r->first;
    bool shared = r->shared;
#pragma GCC ivdep
    for (u32 j = 0; j < n; j++) {
        u32 mine = first + (j >> shift << KEY_LANE_SHIFT), old = r_key[j], old_who = r_who[j];
        bool settled = ((old & KEY_CLOCK_MASK) < floor) | race_same_thread(old, mine);
        bool fresh =
            (old == 0) | ((old & KEY_STRONG) != 0) | (settled & (shared | (old_who == me)));
        u32 many = shared ? old_who | me : old_who == me ? me : MANY_BLOCKS;
        r_key[j] = fresh ? mine : race_merge_reads(old, mine);
        r_who[j] = fresh ? me : many;
        r_pc[j] = pc;
    }
}

static void row_write(const race_look *k, const race_row *r)
{
    const ptx_shadow *s = k->shadow;
    u32 *w_key = s->w_key + r->g0, *w_pc = s->w_pc + r->g0, *r_key = s->r_key + r->g0;
    u32 me = k->me, pc = k->pc, n = r->n, shift = r->shift, first = r->first;
#pragma GCC ivdep
    for (u32 j = 0; j < n; j++) {
        w_key[j] = first + (j >> shift << KEY_LANE_SHIFT);
        w_pc[j] = pc;
        r_key[j] = 0;
    }
    for (u32 j = 0; !r->shared && j < n; j++)
        s->w_block[r->g0 + j] = me;
}

bool race_touch_row(const race_look *k, const race_row *r, bool write)
{
    const ptx_shadow *s = k->shadow;
    if (!row_settled(k, r, s->w_key, s->w_block) ||
        (write && !row_settled(k, r, s->r_key, s->r_who)))
        return false;
    if (write)
        row_write(k, r);
    else
        row_read(k, r);
    return true;
}

/* ---- chunks of global memory ---- */

/* What granule g, whose memory is `a`, holds. */
static u32 value_at(const ptx_shadow *s, const ptx_alloc *a, u64 g)
{
    u32 v = 0;
    memcpy(&v, (const uint8_t *)(uintptr_t)(a->lo + (g << s->shift)), 1u << s->shift);
    return v;
}

void race_open_chunk(ptx_shadow *s, const ptx_alloc *a, u64 chunk)
{
    race_kept *c = &s->kept[chunk];
    u64 g0 = chunk * RACE_CHUNK;
    for (u32 j = 0; j < RACE_CHUNK && g0 + j < s->n; j++) {
        u64 g = g0 + j;
        if (c->w_key) {
            s->w_key[g] = c->w_key | (c->w_at * RACE_CHUNK + j) >> c->w_shift << KEY_LANE_SHIFT;
            s->w_pc[g] = c->w_pc;
            s->w_block[g] = c->w_block;
            if (s->alone)
                s->w_value[g] = value_at(s, a, g);
        }
        if (c->r_key) {
            u32 lane = c->r_key & KEY_MANY ? 0 : (c->r_at * RACE_CHUNK + j) >> c->r_shift;
            s->r_key[g] = c->r_key | lane << KEY_LANE_SHIFT;
            s->r_pc[g] = c->r_pc;
            s->r_who[g] = c->r_who;
        }
    }
    *c = (race_kept){.open = true};
}

/* An access of this row's part `at` is ordered after the one of `key`, by block `who`, or the lanes' own. */
static bool kept_settled(const race_look *k, const race_row *r, u32 at, u32 key, u32 who, u32 its_at, u32 its_shift)
{
    return !key || (who == k->me && ((key & KEY_CLOCK_MASK) < k->w->floor ||
                                     (race_same_thread(key, r->first) && its_at == at && its_shift == r->shift)));
}

static void keep_read(const race_look *k, const race_row *r, race_kept *c, u32 at)
{
    bool fresh = kept_settled(k, r, at, c->r_key, c->r_who, c->r_at, c->r_shift);
    c->r_who = fresh || c->r_who == k->me ? k->me : MANY_BLOCKS;
    c->r_key = fresh ? r->first : race_merge_reads(c->r_key, r->first);
    c->r_pc = k->pc;
    c->r_at = (u8)at;
    c->r_shift = (u8)r->shift;
}

static void keep_write(const race_look *k, const race_row *r, race_kept *c, u32 at)
{
    *c = (race_kept){.w_key = r->first, .w_pc = k->pc, .w_block = k->me, .w_at = (u8)at, .w_shift = (u8)r->shift};
}

/* false: granules have to be looked at one by one, and nothing was done. */
static bool keep_row(const race_look *k, const race_row *r, bool write)
{
    race_kept *c = &k->shadow->kept[r->g0 / RACE_CHUNK];
    u32 parts = r->n / RACE_CHUNK;
    bool good = r->g0 % RACE_CHUNK == 0;
    for (u32 p = 0; p < parts && good; p++)
        good = !c[p].open && kept_settled(k, r, p, c[p].w_key, c[p].w_block, c[p].w_at, c[p].w_shift) &&
               (!write || kept_settled(k, r, p, c[p].r_key, c[p].r_who, c[p].r_at, c[p].r_shift));
    for (u32 p = 0; p < parts && good; p++)
        if (write)
            keep_write(k, r, &c[p], p);
        else
            keep_read(k, r, &c[p], p);
    return good;
}

/* ---- rows of global memory ---- */

bool ptx_race_row(ptx_warp *w, const ptx_insn *i, ptx_alloc *alloc, u64 first, u32 size, bool write)
{
    ptx_shadow *s = race_shadow_of(w->worker, alloc);
    if (!s)
        return true;
    if (w->worker->clocks || size >> s->shift == 0)
        return false;
    race_look k = {.w = w, .shadow = s, .alloc = alloc, .me = w->block->index, .pc = i->place};
    u32 shift = (u32)__builtin_ctz(size) - s->shift;
    race_row r = {.g0 = (first - alloc->lo) >> s->shift,
                  .n = (u32)PTX_LANES << shift,
                  .shift = shift,
                  .first = w->clock | (u32)w->id << KEY_WARP_SHIFT};
    if (!keep_row(&k, &r, write)) {
        race_open_rows(s, alloc, r.g0, r.g0 + r.n - 1);
        if (!race_touch_row(&k, &r, write))
            return false;
    }
    s->touched[r.g0 / SHADOW_CHUNK] |= write ? 2 : 1;
    s->touched[(r.g0 + r.n - 1) / SHADOW_CHUNK] |= write ? 2 : 1;
    return true;
}

void ptx_race_note_values(ptx_warp *w, ptx_alloc *alloc, u64 first, u32 bytes)
{
    ptx_shadow *s = race_shadow_of(w->worker, alloc);
    u64 g0 = (first - alloc->lo) >> (s ? s->shift : 0);
    if (!s || (s->alone && !s->kept[g0 / RACE_CHUNK].open)) /* a row is open all over, or not at all */
        return;
    if (s->shift == 2)
        memcpy(s->w_value + g0, (const uint8_t *)(uintptr_t)first, bytes);
    else
        for (u64 g = g0; g < g0 + (bytes >> s->shift); g++)
            s->w_value[g] = value_at(s, alloc, g);
}

bool ptx_race_last_writer(const ptx_worker *k, const ptx_alloc *a, u64 addr, u32 *block)
{
    for (const struct ptx_gshadow *s = k->gshadow; s; s = s->next) {
        u64 g = s->alloc == a && s->shadow ? (addr - a->lo) >> s->shadow->shift : 0;
        const race_kept *c = s->alloc == a && s->shadow ? &s->shadow->kept[g / RACE_CHUNK] : NULL;
        if (!c || !(c->open ? s->shadow->w_key[g] : c->w_key))
            continue;
        *block = c->open ? s->shadow->w_block[g] : c->w_block;
        return true;
    }
    return false;
}
