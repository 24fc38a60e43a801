/* Loads of shared memory, noted a basic block at a time.
 *
 * The loads of a block through one address register read the same granules, relative to it, whenever
 * the block is executed. Where nothing but loads and arithmetic lies between them (ptx_insn.quiet) and
 * nobody has written to shared memory since the last barrier, one entry with the register's value
 * stands for all of them. Only when somebody writes while such reads are unordered are the
 * instructions gone through and their reads given to the granules. */
#include "harness/ptx/race.h"

#include <string.h>

static race_ahead *entry_of(ptx_shadow *s, const ptx_insn *first, u64 lo)
{
    return &s->ahead[(lo / (RACE_CHUNK * 4) ^ lo >> 4 ^ (u64)first->place) % RACE_AHEADS];
}

/* The reads of one load. */
static void spread_load(ptx_shadow *s, const race_ahead *a, const ptx_insn *i, u32 floor)
{
    u32 size = (u32)i->esize * i->vec, shift = (u32)__builtin_ctz(size) - s->shift;
    u64 at = a->lo + (u64)i->imm, g0 = at >> s->shift, n = (u64)(a->row ? PTX_LANES : 1) << shift;
    bool many = !a->row || a->who & (a->who - 1);
    if (g0 >= s->n || s->n - g0 <= n)
        return; /* out of bounds, which is reported by itself */
    for (u64 g = g0; g < g0 + n; g++) {
        u32 lane = a->row ? (u32)(g - g0) >> shift : 0;
        u32 key = a->clock | (u32)__builtin_ctz(a->who) << KEY_WARP_SHIFT | lane << KEY_LANE_SHIFT;
        race_chunk *c = &s->chunk[g / RACE_CHUNK];
        race_add_read(s, (u32)g, key | (many ? KEY_MANY : 0), a->who, i->place, floor);
        c->r_max = a->clock > c->r_max ? a->clock : c->r_max;
    }
}

static void spread(ptx_shadow *s, race_ahead *a, u32 floor)
{
    const ptx_insn *i = a->first;
    do {
        if (i->ahead && i->shape == a->first->shape)
            spread_load(s, a, i, floor);
        i++;
    } while (!i->leader);
    a->first = NULL;
}

void race_spread_ahead(ptx_shadow *s, u32 floor)
{
    u32 left = 0;
    if (!s->ahead_max)
        return;
    for (race_ahead *a = s->ahead; a < s->ahead + RACE_AHEADS; a++) {
        if (a->first && a->clock >= floor)
            spread(s, a, floor);
        if (a->first && a->clock > left)
            left = a->clock;
    }
    s->ahead_max = left;
}

void race_forget_ahead(ptx_shadow *s)
{
    memset(s->ahead, 0, RACE_AHEADS * sizeof *s->ahead);
    s->ahead_max = 0;
}

/* Whether all warps know of everything before `clock`. */
static bool is_past(const ptx_block *b, u32 clock)
{
    for (int n = 0; n < b->n_warps; n++)
        if (clock >= b->warp[n].floor)
            return false;
    return true;
}

bool race_note_ahead(ptx_warp *w, const ptx_insn *i, const ptx_shape *s)
{
    ptx_shadow *shadow = w->block->shared_shadow;
    bool row = s->kind == PTX_SHAPE_ROW;
    if (!shadow)
        return true;
    if (!i->quiet || shadow->far || shadow->w_latest >= w->floor ||
        (u32)i->esize * i->vec >> shadow->shift == 0)
        return false;
    race_ahead *a = entry_of(shadow, i, s->lo);
    bool same = a->first == i && a->lo == s->lo && a->row == row;
    if (same && a->clock == w->clock) {
        a->who |= 1u << w->id;
        return true;
    }
    if (a->first && (same ? a->clock >= w->floor : !is_past(w->block, a->clock)))
        return false;
    *a = (race_ahead){i, s->lo, w->clock, 1u << w->id, row};
    shadow->ahead_max = w->clock > shadow->ahead_max ? w->clock : shadow->ahead_max;
    return true;
}
