/* Races as findings: who, where, against whom. */
#include "harness/ptx/race.h"

#include "harness/ptx/cluster.h"

#include <stdio.h>
#include <string.h>

typedef struct party { /* one side of a race */
    u32 key, pc, block;
    bool write;
    u32 warps; /* shared memory: set of those that read */
} party;

static const char *act(const party *p)
{
    return p->key & KEY_STRONG ? (p->write ? "atomic or strong write" : "strong read")
           : p->write          ? "write"
                               : "read";
}

const ptx_insn *ptx_insn_at(const ptx_program *p, u32 pc)
{
    u32 code = pc >> 24, at = pc & 0xffffff;
    return code < (u32)p->n_codes && at < p->code[code]->n ? &p->code[code]->insn[at] : NULL;
}

static void thread_of(const ptx_grid *g, u32 key, u32 tid[3])
{
    const u32 *dim = g->args->block;
    u32 t = race_warp(key) * PTX_LANES + race_lane(key);
    tid[0] = t % dim[0];
    tid[1] = t / dim[0] % dim[1];
    tid[2] = t / dim[0] / dim[1];
}

static void block_of(const ptx_grid *g, u32 index, u32 ctaid[3])
{
    const u32 *dim = g->grid;
    index = index == MANY_BLOCKS ? 0 : index;
    ctaid[0] = index % dim[0];
    ctaid[1] = index / dim[0] % dim[1];
    ctaid[2] = index / dim[0] / dim[1];
}

/* The key of one of many readers: of another warp than the later access's where there is one, else
 * of another lane. */
static u32 some_reader(const party *readers, u32 now)
{
    u32 others = readers->warps & ~(1u << race_warp(now));
    if (others)
        return (u32)__builtin_ctz(others) << KEY_WARP_SHIFT;
    bool same =
        race_warp(readers->key) == race_warp(now) && race_lane(readers->key) == race_lane(now);
    return same ? readers->key ^ 1u << KEY_LANE_SHIFT : readers->key;
}

static bool is_cp_async(const ptx_insn *i)
{
    return i && i->ast->n_parts > 1 && ws_str_eqz(i->ast->part[0], "cp") &&
           ws_str_eqz(i->ast->part[1], "async");
}

bool race_is_async(const ptx_insn *i)
{
    return !i || ws_str_eqz(i->ast->part[0], "cp") || ptx_has(i->ast, "async");
}

static u32 key_before(const party *now, const party *before)
{
    return before->key & KEY_MANY ? some_reader(before, now->key) : before->key;
}

static bool are_of_one_warp(const party *now, const party *before)
{
    return race_warp(key_before(now, before)) == race_warp(now->key) && before->block == now->block;
}

static void describe(ptx_fault *f, const ptx_grid *g, const ptx_alloc *a, u64 offset,
                     const party *now, const party *before)
{
    const ptx_insn *oi = ptx_insn_at(g->program, before->pc);
    memcpy(f->space, a ? "global" : "shared", 7);
    f->write = now->write;
    f->atomic = now->key & KEY_STRONG;
    f->address = a ? a->lo + offset : offset;
    f->other_write = before->write;
    f->other_line = oi ? ptx_insn_place(g->ast, oi->ast).line : 0;
    f->async = is_cp_async(oi) || is_cp_async(ptx_insn_at(g->program, now->pc));
    f->other_offset = ptx_insn_offset(g->program, oi);
    thread_of(g, key_before(now, before), f->other_thread);
    block_of(g, before->block, f->other_block);
    f->severity = are_of_one_warp(now, before) ? PTX_SEV_WARNING : PTX_SEV_ERROR;
    if (!a)
        return;
    memcpy(f->buffer, a->name, sizeof f->buffer);
    f->buffer_offset = (int64_t)offset;
    f->buffer_bytes = a->hi - a->lo;
}

static void finish(ptx_warp *w, ptx_fault *f, const ptx_alloc *a, u64 offset, const party *now,
                   const party *before)
{
    char line[32] = "";
    if (f->other_line)
        snprintf(line, sizeof line, " at line %d", f->other_line);
    const char *who = before->key & KEY_MANY ? "several threads, like" : "thread";
    ptx_fault_done(w, f,
                   "race: %s at byte %llu of %s%s%s conflicts with the %s by %s (%u,%u,%u) in "
                   "block (%u,%u,%u)%s, with "
                   "nothing that orders them; found",
                   act(now), (unsigned long long)offset, a ? "'" : "shared memory",
                   a ? a->name : "", a ? "'" : "", act(before), who, f->other_thread[0],
                   f->other_thread[1], f->other_thread[2], f->other_block[0], f->other_block[1],
                   f->other_block[2], line);
}

static party last_write(const ptx_shadow *s, u64 g, u32 block)
{
    return (party){s->w_key[g], s->w_pc[g], block, true, 0};
}

static party last_read(const ptx_shadow *s, u64 g, u32 block)
{
    return (party){s->r_key[g], s->r_pc[g], block, false, s->w_block ? 0 : s->r_who[g]};
}

/* What a write meets, and what it brings, of one element at most 8 bytes wide. */
static void add_values(ptx_fault *f, const race_look *k, u32 lane)
{
    const ptx_insn *i = k->x->insn;
    const ptx_warp *w = k->w;
    if (!k->x->write || !k->x->slot || i->esize > sizeof f->current_value)
        return;
    const uint8_t *at = k->alloc
                            ? (const uint8_t *)(uintptr_t)k->x->addr[lane]
                            : (k->x->block ? k->x->block : w->block)->shared + k->x->addr[lane];
    memcpy(&f->current_value, at, i->esize);
    memcpy(&f->incoming_value, IN(uint8_t, k->x->slot[0]) + (size_t)lane * i->dsize, i->esize);
    f->has_values = true;
}

/* In shared memory: of the block that it belongs to, or of another one of the cluster. */
static party shared_party(const race_look *k, u64 g, race_other other)
{
    const ptx_shadow *s = k->shadow;
    const ptx_block *b = k->w->block, *owner = k->x->block ? k->x->block : b;
    const race_far_cell *far = s->far ? &s->far->cell[g] : NULL;
    u32 unit = ptx_unit_of(k->w->worker->grid, b->index);
    if (other == RACE_FAR_READ)
        return (party){far->r_key, far->r_pc, ptx_block_index(k->w->worker->grid, unit,
                                                              far->r_rank), false, 0};
    if (other == RACE_WRITE && s->w_key[g] & KEY_FAR)
        return (party){far->w_key, s->w_pc[g], ptx_block_index(k->w->worker->grid, unit,
                                                               far->w_rank), true, 0};
    return other == RACE_WRITE ? last_write(s, g, owner->index) : last_read(s, g, owner->index);
}

bool race_report(const race_look *k, u32 lane, u64 g, race_other other)
{
    const ptx_shadow *s = k->shadow;
    const ptx_grid *grid = k->w->worker->grid;
    u32 thread = race_thread(k->x, lane);
    party now = {k->key | thread << KEY_LANE_SHIFT, k->pc, k->w->block->index, k->x->write, 0};
    party before = !k->alloc             ? shared_party(k, g, other)
                   : other == RACE_WRITE ? last_write(s, g, s->w_block[g])
                                         : last_read(s, g, s->r_who[g]);
    const hx_reason reason = k->alloc ? HX_GLOBAL_RACE : HX_SHARED_RACE;
    const bool warns = grid->options->lanes_warn && are_of_one_warp(&now, &before);
    ptx_fault *f = warns ? ptx_fault_warn(k->w, k->x->insn, (int)thread, reason)
                         : ptx_fault_new(k->w, k->x->insn, (int)thread, reason);
    if (!f)
        return warns;
    f->size = k->x->size;
    add_values(f, k, lane);
    describe(f, grid, k->alloc, k->x->addr[lane] - k->base, &now, &before);
    finish(k->w, f, k->alloc, k->x->addr[lane] - k->base, &now, &before);
    return warns;
}

static bool is_atomic(const ptx_insn *i)
{
    return ws_str_eqz(i->ast->part[0], "atom") || ws_str_eqz(i->ast->part[0], "red");
}

void race_warn(const race_look *k, u64 g, race_other other)
{
    ptx_worker *worker = k->w->worker;
    const ptx_grid *grid = worker->grid;
    const u32 pc = other == RACE_WRITE ? k->shadow->w_pc[g] : k->shadow->r_pc[g];
    const ptx_insn *i = k->x->insn, *before = ptx_insn_at(grid->program, pc);
    ptx_report *r = grid->report;
    if (worker->warned == i || !before || is_atomic(before))
        return;
    worker->warned = i;
    const int line = ptx_insn_place(grid->ast, i->ast).line;
    const int other_line = ptx_insn_place(grid->ast, before->ast).line;
    pthread_mutex_lock(&worker->grid->lock);
    const bool same = line == r->warning_line;
    if (!r->warning[0] || line < r->warning_line ||
        (same && other_line < r->warning_other_line)) {
        r->warning_line = line;
        r->warning_other_line = other_line;
        snprintf(r->warning, sizeof r->warning,
                 "the %s at line %d meets in shared memory what another lane of its warp %s at line "
                 "%d, with no __syncwarp() between: right only while the lanes of a warp run in step",
                 k->x->write ? "write" : "read", line, other == RACE_WRITE ? "writes" : "reads",
                 other_line);
    }
    pthread_mutex_unlock(&worker->grid->lock);
}

bool race_report_proxy(const race_look *k, u32 lane, u64 g)
{
    u32 thread = race_thread(k->x, lane);
    party now = {k->key | thread << KEY_LANE_SHIFT, k->pc, k->w->block->index, false, 0};
    party before = last_write(k->shadow, g, k->w->block->index);
    ptx_fault *f = ptx_fault_new(k->w, k->x->insn, (int)thread, HX_SHARED_RACE);
    char line[32] = "";
    if (!f)
        return false;
    f->size = k->x->size;
    describe(f, k->w->worker->grid, NULL, k->x->addr[lane], &now, &before);
    f->severity = PTX_SEV_ERROR; /* whichever warp the thread is of */
    if (f->other_line)
        snprintf(line, sizeof line, " at line %d", f->other_line);
    ptx_fault_done(k->w, f,
                   "race: a bulk copy reads byte %llu of shared memory, which thread (%u,%u,%u) wrote%s, "
                   "with no fence.proxy.async between; found",
                   (unsigned long long)k->x->addr[lane], f->other_thread[0], f->other_thread[1],
                   f->other_thread[2], line);
    return false;
}

void race_report_between(ptx_grid *grid, const ptx_alloc *a, u64 g, const ptx_shadow *now,
                         bool write, const ptx_shadow *before, bool other_write)
{
    party one = write ? last_write(now, g, now->w_block[g]) : last_read(now, g, now->r_who[g]);
    party two = other_write ? last_write(before, g, before->w_block[g])
                            : last_read(before, g, before->r_who[g]);
    /* The launch is over: a warp that stands for the thread that made the access. */
    ptx_worker k = {.grid = grid};
    ptx_block b = {.index = one.block, .turn = ptx_unit_of(grid, one.block)};
    ptx_warp w = {.worker = &k, .block = &b};
    u32 tid[3];
    block_of(grid, one.block, b.ctaid);
    thread_of(grid, one.key, tid);
    for (int d = 0; d < 3; d++)
        w.tid[d][0] = tid[d];
    ptx_fault *f = ptx_fault_new(&w, ptx_insn_at(grid->program, one.pc), 0, HX_GLOBAL_RACE);
    if (!f)
        return;
    f->size = 1u << now->shift;
    describe(f, grid, a, g << now->shift, &one, &two);
    finish(&w, f, a, g << now->shift, &one, &two);
}
