/* Races on the shared memory of one block, between it and other blocks of its cluster.
 *
 * The block's own accesses are those of race.c. What others do stands in cells of their own, with
 * the rank beside; a write also takes the place of the last one, marked KEY_FAR. Of reads by
 * several blocks that nothing orders the last is kept: a race with an earlier one may be missed,
 * none is invented.
 *
 * A block's shared memory exists from its start to its end. An access by another block must come
 * after one and before the other by happens-before, whatever the schedule of this run: else it is
 * found, too. */
#include "harness/ptx/race.h"

#include "harness/ptx/cluster.h"

#include <stdlib.h>
#include <string.h>

typedef struct visit { /* the last access of a warp */
    u32 clock, pc, lane, size;
    bool write;
} visit;
struct ptx_visits {
    u32 start; /* clock of the block's warps when it started */
    visit last[PTX_MAX_CLUSTER][PTX_LANES];
};

/* ---- life ---- */

void race_far_free(race_far_cells *f)
{
    if (!f)
        return;
    free(f->cell);
    free(f->used);
    free(f);
}

static race_far_cells *far_cells(ptx_shadow *s)
{
    if (s->far)
        return s->far;
    s->far = ws_calloc(1, sizeof *s->far);
    s->far->cell = ws_calloc(s->n + 1, sizeof *s->far->cell);
    s->far->used = ws_calloc(s->n / RACE_CHUNK + 2, 1);
    return s->far;
}

/* Clocks of other blocks mean nothing in the next cluster. */
void race_far_forget(ptx_shadow *s)
{
    if (!s || !s->far)
        return;
    for (u64 c = 0; c * RACE_CHUNK < s->n; c++) {
        u64 first = c * RACE_CHUNK, n = first + RACE_CHUNK < s->n ? RACE_CHUNK : s->n - first;
        if (!s->far->used[c])
            continue;
        memset(s->w_key + first, 0, n * sizeof *s->w_key);
        memset(s->r_key + first, 0, n * sizeof *s->r_key);
        s->chunk[c] = (race_chunk){0};
    }
    race_far_free(s->far);
    s->far = NULL;
}

void ptx_race_cluster(struct ptx_cluster *c)
{
    for (u32 r = 0; r < c->n; r++) {
        ptx_block *b = c->block[r];
        if (!b->visits)
            b->visits = ws_calloc(1, sizeof *b->visits);
        memset(b->visits, 0, sizeof *b->visits);
        b->visits->start = b->warp[0].clock;
        if (!b->arrived_far)
            b->arrived_far = ws_calloc(PTX_BARRIERS, sizeof *b->arrived_far);
        memset(b->arrived_far, 0, PTX_BARRIERS * sizeof *b->arrived_far);
        for (int n = 0; n < b->n_warps; n++) {
            ptx_warp *w = &b->warp[n];
            if (!w->far)
                w->far = ws_calloc(1, sizeof *w->far);
            w->far->blocks = c->n;
            for (u32 q = 0; q < c->n; q++)
                EACH_LANE(v) w->far->warp[q][v] = q == r ? 0 : c->block[q]->warp[0].clock;
        }
    }
}

void ptx_race_cluster_free(ptx_block *b)
{
    for (int n = 0; n < b->n_warps; n++)
        free(b->warp[n].far);
    free(b->arrived_far);
    free(b->visits);
}

void race_cluster_barrier(ptx_block *b, u32 id)
{
    ptx_past joined = b->arrived_far[id];
    memset(&b->arrived_far[id], 0, sizeof b->arrived_far[id]);
    for (int pass = 0; pass < 2; pass++)
        for (int n = 0; n < b->n_warps; n++) {
            ptx_warp *w = &b->warp[n];
            if (w->state != PTX_WARP_AT_BARRIER || ptx_barrier_id(&w->parked[0]) != id)
                continue;
            ptx_past_join(pass ? w->far : &joined, pass ? &joined : w->far);
        }
}

/* ---- what happened before ---- */

/* Whether the access of a block's warp happened before what this lane does next. */
static bool is_before(const race_look *k, u32 rank, u32 key, u32 lane)
{
    const ptx_warp *w = k->w;
    u32 clock = key & KEY_CLOCK_MASK;
    if (rank != w->block->rank)
        return clock < w->far->warp[rank][race_warp(key)];
    return clock < w->seen[race_warp(key)] ||
           race_same_thread(key & ~KEY_FAR, (u32)w->id << KEY_WARP_SHIFT | race_thread(k->x, lane)
                                                                               << KEY_LANE_SHIFT);
}

bool race_far_write_before(const race_look *k, u64 g, u32 lane)
{
    const race_far_cell *c = &k->shadow->far->cell[g];
    return is_before(k, c->w_rank, c->w_key, lane);
}

bool race_far_reads_before(const race_look *k, u64 g, u32 lane)
{
    race_far_cell *c = k->shadow->far ? &k->shadow->far->cell[g] : NULL;
    if (!c || !c->r_key)
        return true;
    if (!race_both_strong(c->r_key, k->key, c->r_rank == k->w->block->rank) &&
        !is_before(k, c->r_rank, c->r_key, lane) && !race_report(k, lane, g, RACE_FAR_READ))
        return false;
    c->r_key = 0;
    return true;
}

static bool write_before(const race_look *k, u64 g, u32 lane)
{
    u32 key = k->shadow->w_key[g];
    if (key & KEY_FAR)
        return race_far_write_before(k, g, lane);
    return is_before(k, k->x->block->rank, key, lane);
}

/* Of the block whose memory it is. */
static bool reads_before(const race_look *k, u64 g)
{
    const u32 *seen = k->w->far->warp[k->x->block->rank];
    u32 key = k->shadow->r_key[g], clock = key & KEY_CLOCK_MASK;
    u32 who = key & KEY_MANY ? k->shadow->r_who[g] : 1u << race_warp(key);
    EACH_SET(v, who)
        if (clock >= seen[v])
            return false;
    return true;
}

/* ---- an access ---- */

static void record(const race_look *k, u64 g, u32 lane)
{
    ptx_shadow *s = k->shadow;
    race_far_cell *c = &s->far->cell[g];
    u32 key = k->key | race_thread(k->x, lane) << KEY_LANE_SHIFT, rank = k->w->block->rank;
    if (k->x->write) {
        s->w_key[g] = KEY_CLOCK_MASK | KEY_FAR | (key & ~KEY_CLOCK_MASK);
        s->w_pc[g] = k->pc;
        s->r_key[g] = 0;
        c->w_key = key;
        c->w_rank = (u8)rank;
        c->r_key = 0;
    } else if (!(c->r_key && key & KEY_STRONG) || c->r_key & KEY_STRONG) {
        c->r_key = key; /* plain reads conflict with more than strong ones */
        c->r_pc = k->pc;
        c->r_rank = (u8)rank;
    }
}

static bool touch(const race_look *k, u64 g, u32 lane)
{
    const ptx_shadow *s = k->shadow;
    bool mine = s->w_key[g] & KEY_FAR && s->far->cell[g].w_rank == k->w->block->rank;
    if (s->w_key[g] && !race_both_strong(s->w_key[g], k->key, mine) && !write_before(k, g, lane) &&
        !(k->x->write && race_same_value(k, g, lane)) && !race_report(k, lane, g, RACE_WRITE))
        return false;
    if (k->x->write) {
        if (s->r_key[g] && !race_both_strong(s->r_key[g], k->key, false) && !reads_before(k, g) &&
            !race_report(k, lane, g, RACE_READ))
            return false;
        if (!race_far_reads_before(k, g, lane))
            return false;
    }
    record(k, g, lane);
    return true;
}

static bool has_started(const ptx_warp *w, const ptx_block *b)
{
    u32 latest = 0;
    EACH_LANE(v)
        latest = w->far->warp[b->rank][v] > latest ? w->far->warp[b->rank][v] : latest;
    return latest > b->visits->start;
}

static void fault_life(ptx_warp *w, const ptx_insn *i, u32 lane, u32 size, bool write,
                       const ptx_block *b, const char *what)
{
    ptx_fault_simple(
        w, i, (int)lane, HX_SHARED_RACE,
        "race: potential invalid shared %s of %u bytes in the memory of block (%u,%u,%u) that "
        "might %s; nothing orders the two; found",
        write ? "write" : "read", size, b->ctaid[0], b->ctaid[1], b->ctaid[2], what);
}

bool race_far(ptx_warp *w, const ptx_access *x, u32 pc)
{
    ptx_block *b = x->block;
    u32 strong =
        x->atomic || x->strong ? KEY_STRONG | (ptx_is_narrow(x->insn) ? KEY_NARROW : 0) : 0;
    u32 clock_and_warp = w->clock | (u32)w->id << KEY_WARP_SHIFT;
    race_look k = {.w = w,
                   .x = x,
                   .shadow = b->shared_shadow,
                   .key = clock_and_warp | strong,
                   .me = 1u << w->id,
                   .pc = pc};
    u32 parts = x->size >> k.shadow->shift ? x->size >> k.shadow->shift : 1;
    u32 first_lane = (u32)__builtin_ctz(x->mask);
    if (!has_started(w, b)) {
        fault_life(w, x->insn, first_lane, x->size, x->write, b, "not have started");
        return false;
    }
    b->visits->last[w->block->rank][w->id] = (visit){w->clock, pc, race_thread(x, first_lane),
                                                     x->size, x->write};
    race_far_cells *far = far_cells(k.shadow);
    EACH_SET(l, x->mask)
    {
        u64 g = x->addr[l] >> k.shadow->shift;
        for (u64 c = g / RACE_CHUNK; c <= (g + parts - 1) / RACE_CHUNK; c++) {
            race_open_far(k.shadow, (u32)c, x->write);
            far->used[c] = 1;
        }
        for (u32 p = 0; p < parts; p++)
            if (!touch(&k, g + p, l))
                return false;
    }
    return true;
}

/* ---- the end of a block ---- */

/* Whether some warp of the block went on after the access: until it ended, the memory was there. */
static bool stayed_for(const ptx_block *b, u32 rank, u32 warp, u32 clock)
{
    for (int n = 0; n < b->n_warps; n++)
        if (b->warp[n].far->warp[rank][warp] > clock)
            return true;
    return false;
}

bool ptx_race_block_end(ptx_block *b)
{
    if (!b->visits)
        return true;
    for (u32 r = 0; r < b->cluster->n; r++)
        EACH_LANE(v)
        {
            const visit *x = &b->visits->last[r][v];
            if (!x->clock || stayed_for(b, r, (u32)v, x->clock))
                continue;
            ptx_warp *w = &b->cluster->block[r]->warp[v];
            fault_life(w, ptx_insn_at(w->worker->grid->program, x->pc), x->lane, x->size, x->write,
                       b, "have already exited");
            return false;
        }
    return true;
}
