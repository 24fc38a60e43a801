/* Data races, after FastTrack (Flanagan and Freund, PLDI 2009), with the last write and the last reads of
 * every granule of memory in a shadow cell.
 *
 * Inside a block, time is a clock per warp that advances at barriers and at bar.warp.sync; `seen[v]` of a
 * warp says which accesses of warp v happened before. Lanes of one warp are ordered only by
 * bar.warp.sync: since Volta they may run apart. Between blocks nothing is ordered, unless a fence and a
 * strong access say so (order.c). Strong accesses and atomics do not race with each other, nor do writes
 * of the value that is there already.
 *
 * Each worker keeps its own shadow of global memory; what two workers did is compared at the end. */
#include "harness/ptx/engine.h"
#include "harness/ptx/lanes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A key: clock | warp | lane | flags; 0 is no access. */
#define KEY_WARP_SHIFT 19
#define KEY_LANE_SHIFT 24
#define KEY_CLOCK_MASK ((1u << KEY_WARP_SHIFT) - 1)
#define KEY_STRONG (1u << 29) /* volatile, relaxed and stronger, atomic */
#define KEY_MANY   (1u << 30) /* reads: by more than one lane */

#define MANY_BLOCKS UINT32_MAX
enum { CHUNK = 4096 /* granules */, CLOCK_RESET = 1 << 18 };

typedef struct cell {
    u32 w_key, w_pc, w_block, w_time;
    u32 r_key, r_pc, r_block, r_time; /* shared memory: r_block is the set of warps that read */
} cell;

struct ptx_shadow {
    cell *cell;
    uint8_t *touched;   /* per chunk: 1 read, 2 written */
    u64 n;
    size_t mapped;
    u32 shift;          /* log2 of the granule */
};

struct ptx_gshadow {
    struct ptx_gshadow *next;
    ptx_alloc *alloc;
    ptx_shadow *shadow; /* NULL: no memory for it */
};

/* Pages come zeroed and only when touched. */
ptx_shadow *ptx_shadow_new(u64 bytes, u32 granule)
{
    ptx_shadow *s = ws_calloc(1, sizeof *s);
    s->shift = (u32)__builtin_ctz(granule);
    s->n = (bytes >> s->shift) + 16;
    s->mapped = s->n * sizeof *s->cell;
    void *p = mmap(NULL, s->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        free(s);
        return NULL;
    }
    s->cell = p;
    s->touched = ws_calloc(s->n / CHUNK + 1, 1);
    return s;
}

void ptx_shadow_free(ptx_shadow *s)
{
    if (!s)
        return;
    munmap(s->cell, s->mapped);
    free(s->touched);
    free(s);
}

/* ---- clocks of the warps of a block ---- */

/* A block that runs in the place of an earlier one goes on with its clocks, so that its old cells are
 * ordered before and need no clearing. */
void ptx_race_block(ptx_block *b)
{
    u32 clock = 0;
    b->fenced = false;
    memset(b->arrived_seen, 0, sizeof b->arrived_seen);
    for (int n = 0; n < b->n_warps; n++)
        clock = b->warp[n].clock > clock ? b->warp[n].clock : clock;
    if (clock > CLOCK_RESET && b->shared_shadow) {
        memset(b->shared_shadow->cell, 0, b->shared_shadow->mapped);
        clock = 0;
    }
    for (int n = 0; n < b->n_warps; n++) {
        ptx_warp *w = &b->warp[n];
        w->clock = clock + 1;
        EACH_LANE(v) w->seen[v] = clock + 1;
    }
}

static void advance(ptx_warp *w)
{
    if (w->clock < KEY_CLOCK_MASK)
        w->clock++;
    w->seen[w->id] = w->clock;
}

void ptx_race_warp_sync(ptx_warp *w, u32 mask)
{
    (void)mask; /* a sync of some lanes is taken for one of all: it can hide a race, never invent one */
    advance(w);
}

static bool is_waiting_at(const ptx_warp *w, u32 id)
{
    return w->state == PTX_WARP_AT_BARRIER && ptx_barrier_id(w, &w->parked[0]) == id;
}

static void join(u32 *to, const u32 *from)
{
    EACH_LANE(v) to[v] = from[v] > to[v] ? from[v] : to[v];
}

void ptx_race_arrive(ptx_warp *w, u32 id)
{
    advance(w);
    join(w->block->arrived_seen[id], w->seen);
}

void ptx_race_barrier(ptx_block *b, u32 id)
{
    u32 joined[PTX_LANES] = {0};
    for (int n = 0; n < b->n_warps; n++)
        if (is_waiting_at(&b->warp[n], id)) {
            advance(&b->warp[n]);
            join(joined, b->warp[n].seen);
        }
    join(joined, b->arrived_seen[id]);
    memset(b->arrived_seen[id], 0, sizeof b->arrived_seen[id]);
    for (int n = 0; n < b->n_warps; n++)
        if (is_waiting_at(&b->warp[n], id))
            memcpy(b->warp[n].seen, joined, sizeof joined);
}

/* ---- one access ---- */

typedef struct look { /* what the cells of one warp-wide access are held against */
    ptx_warp *w;
    const ptx_access *x;
    ptx_shadow *shadow;
    const ptx_alloc *alloc; /* NULL: shared memory */
    u64 base;
    u32 key;                /* without the lane */
    u32 pc, time;
} look;

static u32 key_warp(u32 key)
{
    return key >> KEY_WARP_SHIFT & 31;
}

/* Inside the block. */
static bool is_ordered(const ptx_warp *w, u32 key, u32 lane)
{
    if ((key & KEY_CLOCK_MASK) < w->seen[key_warp(key)])
        return true;
    return key_warp(key) == (u32)w->id && !(key & KEY_MANY) && (key >> KEY_LANE_SHIFT & 31) == lane;
}

static bool reads_ordered(const look *k, const cell *c, u32 lane)
{
    const ptx_warp *w = k->w;
    if (k->alloc && c->r_block != w->block->index)
        return ptx_order_before(w, c->r_block, c->r_time);
    if (k->alloc || !(c->r_key & KEY_MANY))
        return is_ordered(w, c->r_key, lane);
    for (u32 left = c->r_block; left; left &= left - 1)
        if ((c->r_key & KEY_CLOCK_MASK) >= w->seen[__builtin_ctz(left)])
            return false;
    return true;
}

static bool write_ordered(const look *k, const cell *c, u32 lane)
{
    if (k->alloc && c->w_block != k->w->block->index)
        return ptx_order_before(k->w, c->w_block, c->w_time);
    return is_ordered(k->w, c->w_key, lane);
}

static bool both_strong(u32 a, u32 b)
{
    return a & b & KEY_STRONG;
}

/* A write of the value that is there already, or that another lane writes in the same instruction. */
static bool is_same_value(const look *k, const cell *c, u32 lane)
{
    const ptx_insn *i = k->x->insn;
    const ptx_warp *w = k->w;
    if (!k->x->slot)
        return false;
    const uint8_t *to = k->alloc ? (const uint8_t *)(uintptr_t)k->x->addr[lane] : w->block->shared + k->x->addr[lane];
    u32 other = c->w_key >> KEY_LANE_SHIFT & 31;
    bool now = key_warp(c->w_key) == (u32)w->id && (c->w_key & KEY_CLOCK_MASK) == w->clock && c->w_pc == k->pc &&
               (!k->alloc || c->w_block == w->block->index) && k->x->mask >> other & 1 &&
               k->x->addr[other] == k->x->addr[lane];
    bool in_memory = true, in_lanes = now;
    for (int e = 0; e < i->vec; e++) {
        const uint8_t *reg = IN(uint8_t, k->x->slot[e]);
        in_memory &= memcmp(to + (size_t)e * i->esize, reg + (size_t)lane * i->dsize, i->esize) == 0;
        in_lanes &= memcmp(reg + (size_t)other * i->dsize, reg + (size_t)lane * i->dsize, i->esize) == 0;
    }
    return in_memory || in_lanes;
}

static const ptx_insn *insn_at(const ptx_warp *w, u32 pc)
{
    const ptx_program *p = w->worker->grid->program;
    u32 code = pc >> 24, at = pc & 0xffffff;
    return code < (u32)p->n_codes && at < p->code[code]->n ? &p->code[code]->insn[at] : NULL;
}

static u32 place_of(const ptx_warp *w, const ptx_insn *i)
{
    return (u32)w->frame->code->index << 24 | ((u32)(i - w->frame->code->insn) & 0xffffff);
}

static void thread_of_key(const ptx_warp *w, u32 key, u32 tid[3])
{
    const ptx_block *b = w->block;
    u32 id = key_warp(key);
    if (id < (u32)b->n_warps)
        ptx_thread_of(&b->warp[id], (int)(key >> KEY_LANE_SHIFT & 31), tid);
}

static void block_of(const ptx_grid *g, u32 index, u32 ctaid[3])
{
    if (index == MANY_BLOCKS)
        index = 0;
    ctaid[0] = index % g->args->grid[0];
    ctaid[1] = index / g->args->grid[0] % g->args->grid[1];
    ctaid[2] = index / g->args->grid[0] / g->args->grid[1];
}

typedef struct other { /* the earlier access of a race */
    u32 key, pc, block;
    bool write;
} other;

static const char *act(bool write, bool atomic)
{
    return atomic ? "atomic" : write ? "write" : "read";
}

/* The finding; `lane` made the later access. */
static bool report(const look *k, u32 lane, u64 address, other o)
{
    const ptx_access *x = k->x;
    const ptx_grid *g = k->w->worker->grid;
    ptx_fault *f = ptx_fault_new(k->w, x->insn, (int)lane, k->alloc ? HX_GLOBAL_RACE : HX_SHARED_RACE);
    if (!f)
        return false;
    const ptx_insn *oi = insn_at(k->w, o.pc);
    memcpy(f->space, k->alloc ? "global" : "shared", 7);
    f->write = x->write;
    f->atomic = x->atomic;
    f->size = x->size;
    f->address = address;
    f->other_write = o.write;
    f->other_line = oi ? ptx_insn_place(g->ast, oi->ast).line : 0;
    thread_of_key(k->w, o.key, f->other_thread);
    if (k->alloc)
        block_of(g, o.block, f->other_block);
    else
        memcpy(f->other_block, k->w->block->ctaid, sizeof f->other_block);
    if (k->alloc) {
        memcpy(f->buffer, k->alloc->name, sizeof f->buffer);
        f->buffer_offset = (int64_t)(address - k->alloc->lo);
        f->buffer_bytes = k->alloc->hi - k->alloc->lo;
    }
    ptx_fault_done(k->w, f, "race: %s of %u bytes at byte %lld of %s%s%s races with the %s by thread (%u,%u,%u) in block "
                   "(%u,%u,%u) at line %d; found", act(x->write, x->atomic), x->size,
                   (long long)(k->alloc ? f->buffer_offset : (int64_t)address), k->alloc ? "'" : "shared memory",
                   k->alloc ? f->buffer : "", k->alloc ? "'" : "", act(o.write, false), f->other_thread[0], f->other_thread[1],
                   f->other_thread[2], f->other_block[0], f->other_block[1], f->other_block[2], f->other_line);
    return false;
}

static void record_read(const look *k, cell *c, u32 lane, u32 lanes_flag)
{
    const ptx_warp *w = k->w;
    u32 key = k->key | lane << KEY_LANE_SHIFT | lanes_flag, mine = k->alloc ? w->block->index : 1u << w->id;
    bool same = c->r_key == key && c->r_block == mine;
    if (same)
        return;
    if (!c->r_key || reads_ordered(k, c, lane)) {
        c->r_key = key;
        c->r_pc = k->pc;
        c->r_block = mine;
        c->r_time = k->time;
        return;
    }
    /* Several readers: the lowest clock stands for all. Strong only when all are. */
    u32 clock = (key & KEY_CLOCK_MASK) < (c->r_key & KEY_CLOCK_MASK) ? key : c->r_key;
    c->r_key = (c->r_key & ~(KEY_CLOCK_MASK | (key & KEY_STRONG ? 0 : KEY_STRONG))) | (clock & KEY_CLOCK_MASK) | KEY_MANY;
    if (k->alloc)
        c->r_block = c->r_block == mine ? mine : MANY_BLOCKS;
    else
        c->r_block |= mine;
}

static bool touch(const look *k, cell *c, u32 lane, u32 lanes_flag)
{
    const ptx_access *x = k->x;
    u64 address = x->addr[lane];
    if (c->w_key && !both_strong(c->w_key, k->key) && !write_ordered(k, c, lane) &&
        !(x->write && is_same_value(k, c, lane)))
        return report(k, lane, address, (other){c->w_key, c->w_pc, c->w_block, true});
    if (!x->write) {
        record_read(k, c, lane, lanes_flag);
        return true;
    }
    if (c->r_key && !both_strong(c->r_key, k->key) && !reads_ordered(k, c, lane) && !(x->slot && is_same_value(k, c, lane)))
        return report(k, lane, address, (other){c->r_key, c->r_pc, c->r_block, false});
    c->w_key = k->key | lane << KEY_LANE_SHIFT;
    c->w_pc = k->pc;
    c->w_block = k->w->block->index;
    c->w_time = k->time;
    c->r_key = 0;
    return true;
}

static bool touch_lane(const look *k, u32 lane, u32 lanes_flag)
{
    u64 first = (k->x->addr[lane] - k->base) >> k->shadow->shift;
    u64 last = (k->x->addr[lane] - k->base + k->x->size - 1) >> k->shadow->shift;
    k->shadow->touched[first / CHUNK] |= k->x->write ? 2 : 1;
    k->shadow->touched[last / CHUNK] |= k->x->write ? 2 : 1;
    for (u64 g = first; g <= last; g++)
        if (!touch(k, &k->shadow->cell[g], lane, lanes_flag))
            return false;
    return true;
}

static bool touch_all(const look *k)
{
    const ptx_access *x = k->x;
    if (!x->write && x->mask == PTX_FULL && ptx_is_uniform(x->addr))
        return touch_lane(k, 0, KEY_MANY);
    EACH_SET(l, x->mask)
        if (!touch_lane(k, l, 0))
            return false;
    return true;
}

static u32 key_of(const ptx_warp *w, const ptx_access *x)
{
    return w->clock | (u32)w->id << KEY_WARP_SHIFT | (x->atomic || x->strong ? KEY_STRONG : 0);
}

bool ptx_race_shared(ptx_warp *w, const ptx_access *x)
{
    look k = {.w = w, .x = x, .shadow = w->block->shared_shadow, .key = key_of(w, x), .pc = place_of(w, x->insn)};
    return touch_all(&k);
}

static ptx_shadow *shadow_of(ptx_worker *k, ptx_alloc *a)
{
    for (struct ptx_gshadow *s = k->gshadow; s; s = s->next)
        if (s->alloc == a)
            return s->shadow;
    struct ptx_gshadow *s = ws_calloc(1, sizeof *s);
    s->alloc = a;
    s->shadow = ptx_shadow_new(a->hi - a->lo, k->grid->program->granule);
    s->next = k->gshadow;
    k->gshadow = s;
    return s->shadow;
}

bool ptx_race_global(ptx_warp *w, const ptx_access *x, ptx_alloc *alloc)
{
    if (alloc->read_only)
        return true;
    if (x->atomic || x->strong)
        EACH_SET(l, x->mask) ptx_order_access(w, x->insn, x->addr[l], x->write);
    look k = {.w = w, .x = x, .shadow = shadow_of(w->worker, alloc), .alloc = alloc, .base = alloc->lo,
              .key = key_of(w, x), .pc = place_of(w, x->insn), .time = ptx_order_time(w)};
    return !k.shadow || touch_all(&k);
}

/* ---- the launch ---- */

void ptx_race_begin(ptx_grid *g)
{
    if (g->options->check_race && (g->program->has_fence || g->args->cooperative))
        g->clocks = ptx_clocks_new(g->n_blocks);
}

static const ptx_shadow *find_shadow(const ptx_worker *k, const ptx_alloc *a)
{
    for (const struct ptx_gshadow *s = k->gshadow; s; s = s->next)
        if (s->alloc == a)
            return s->shadow;
    return NULL;
}

/* A finding between blocks of two workers; thread numbers follow from the key and the block's shape. */
static void report_between(ptx_grid *g, const ptx_alloc *a, u64 offset, const cell *now, bool write, const cell *before,
                           bool other_write)
{
    const u32 *dim = g->args->block;
    ptx_worker k = {.grid = g};
    ptx_block b = {.index = write ? now->w_block : now->r_block};
    ptx_warp w = {.worker = &k, .block = &b};
    u32 key = write ? now->w_key : now->r_key, other_key = other_write ? before->w_key : before->r_key;
    u32 t = key_warp(key) * PTX_LANES + (key >> KEY_LANE_SHIFT & 31);
    u32 ot = key_warp(other_key) * PTX_LANES + (other_key >> KEY_LANE_SHIFT & 31);
    block_of(g, b.index, b.ctaid);
    w.tid[0][0] = t % dim[0], w.tid[1][0] = t / dim[0] % dim[1], w.tid[2][0] = t / dim[0] / dim[1];
    const ptx_insn *i = insn_at(&w, write ? now->w_pc : now->r_pc);
    const ptx_insn *oi = insn_at(&w, other_write ? before->w_pc : before->r_pc);
    ptx_fault *f = ptx_fault_new(&w, i, 0, HX_GLOBAL_RACE);
    if (!f)
        return;
    memcpy(f->space, "global", 7);
    memcpy(f->buffer, a->name, sizeof f->buffer);
    f->write = write;
    f->address = a->lo + offset;
    f->buffer_offset = (int64_t)offset;
    f->buffer_bytes = a->hi - a->lo;
    f->other_write = other_write;
    f->other_line = oi ? ptx_insn_place(g->ast, oi->ast).line : 0;
    f->other_thread[0] = ot % dim[0], f->other_thread[1] = ot / dim[0] % dim[1], f->other_thread[2] = ot / dim[0] / dim[1];
    block_of(g, other_write ? before->w_block : before->r_block, f->other_block);
    ptx_fault_done(&w, f, "race: %s at byte %lld of '%s' races with the %s by thread (%u,%u,%u) in block (%u,%u,%u) at line "
                   "%d; found", act(write, false), (long long)offset, a->name, act(other_write, false), f->other_thread[0],
                   f->other_thread[1], f->other_thread[2], f->other_block[0], f->other_block[1], f->other_block[2],
                   f->other_line);
}

static bool conflict(u32 a, u32 b)
{
    return a && b && !both_strong(a, b);
}

static bool compare_cells(ptx_grid *g, const ptx_alloc *al, u64 offset, const cell *a, const cell *b)
{
    if (conflict(a->w_key, b->w_key))
        report_between(g, al, offset, a, true, b, true);
    else if (conflict(a->w_key, b->r_key))
        report_between(g, al, offset, a, true, b, false);
    else if (conflict(a->r_key, b->w_key))
        report_between(g, al, offset, a, false, b, true);
    else
        return true;
    return false;
}

static void compare_shadows(ptx_grid *g, const ptx_alloc *al, const ptx_shadow *a, const ptx_shadow *b)
{
    for (u64 chunk = 0; chunk * CHUNK < a->n; chunk++) {
        if (!a->touched[chunk] || !b->touched[chunk] || !((a->touched[chunk] | b->touched[chunk]) & 2))
            continue;
        u64 end = (chunk + 1) * CHUNK < a->n ? (chunk + 1) * CHUNK : a->n;
        for (u64 i = chunk * CHUNK; i < end; i++)
            if ((a->cell[i].w_key || b->cell[i].w_key) &&
                !compare_cells(g, al, i << a->shift, &a->cell[i], &b->cell[i]))
                return;
    }
}

void ptx_race_end(ptx_grid *g, ptx_worker *workers, int n)
{
    for (int i = 0; i < n && !atomic_load(&g->stop); i++)
        for (const struct ptx_gshadow *s = workers[i].gshadow; s; s = s->next)
            for (int j = i + 1; j < n && s->shadow; j++) {
                const ptx_shadow *other_shadow = find_shadow(&workers[j], s->alloc);
                if (other_shadow)
                    compare_shadows(g, s->alloc, s->shadow, other_shadow);
            }
    for (int i = 0; i < n; i++)
        for (struct ptx_gshadow *s = workers[i].gshadow, *next; s; s = next) {
            next = s->next;
            ptx_shadow_free(s->shadow);
            free(s);
        }
    ptx_clocks_free(g->clocks);
}
