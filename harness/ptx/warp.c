/* One warp: which lanes run, in which frame, at which instruction.
 *
 * Lanes that diverge are groups. One runs; the others are parked with the place where they go on. At every
 * basic block the running group absorbs parked ones that are at the same place, and hands over to one that
 * is deeper in calls or earlier in the text: with the block order that compilers emit, this reconverges
 * lanes at the earliest point where they can meet. A group that spins for the others' sake is put on hold
 * after a while, so that spin loops between lanes end. */
#include "harness/ptx/cluster.h"
#include "harness/ptx/local.h"
#include "harness/ptx/undef.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FAIR_TICKS = 1 << 14, MAX_POLLS = 32, LOCAL_LIMIT = 512 << 10 };
/* How often a thread looks until another is done is nobody's promise, and no clock: where turns are
 * shuffled, half of those in which a young warp counts its polls last longer. */
enum { PATIENT_POLLS = 1 << 12, PATIENT_INSNS = 1 << 14 };

/* ---- frames ---- */

/* What registers and local arrays hold before the first write: numbers large enough to spoil a sum, of either
 * sign, so that neither a minimum nor a maximum hides them on every schedule, and NaN, which a factor of zero
 * does not hide. */
static int undefined_byte(const ptx_warp *w)
{
    static const int of_schedule[] = {
        [PTX_SCHED_ROUND_ROBIN] = 0xcb, [PTX_SCHED_REVERSE] = 0xff, [PTX_SCHED_RANDOM] = 0x4b};
    return of_schedule[w->worker->grid->options->schedule];
}

static ptx_frame *frame_new(ptx_warp *w, const ptx_code *code)
{
    ptx_frame **link = &w->free_frames;
    while (*link && (*link)->capacity < code->frame_bytes)
        link = &(*link)->next_free;
    ptx_frame *f = *link;
    if (f) {
        *link = f->next_free;
    } else {
        f = ws_calloc(1, sizeof *f);
        f->next_made = w->frames;
        w->frames = f;
        f->capacity = (code->frame_bytes + 4095) & ~(size_t)4095;
        if (posix_memalign((void **)&f->regs, 64, f->capacity))
            ws_bug("out of memory");
    }
    memset(f->regs, undefined_byte(w), code->reg_bytes);
    if (f->code != code) /* nobody writes them */
        memcpy(f->regs + code->const_at, code->constants, code->const_bytes);
    memset(f->regs + code->pred_at, 0, code->frame_bytes - code->pred_at);
    ptx_undef_frame_reset(f);
    f->code = code;
    f->pred = (uint32_t *)(void *)(f->regs + code->pred_at);
    f->pred[1] = PTX_FULL;
    f->parent = NULL;
    f->call = NULL;
    f->depth = 0;
    f->local_base = 0;
    f->stack_bytes = 0;
    return f;
}

static void frame_recycle(ptx_warp *w, ptx_frame *f)
{
    f->next_free = w->free_frames;
    w->free_frames = f;
}

/* Lanes leave `f` and, when they exit, its callers too; a frame without lanes is free. */
static void frame_leave(ptx_warp *w, ptx_frame *f, uint32_t mask, bool callers_too)
{
    while (f) {
        ptx_frame *parent = f->parent;
        f->lanes &= ~mask;
        if (!f->lanes)
            frame_recycle(w, f);
        f = callers_too ? parent : NULL;
    }
}

static void local_reserve(ptx_warp *w, uint32_t bytes)
{
    if (bytes <= w->local_bytes)
        return;
    uint32_t words = (bytes + 3) / 4;
    w->local = ws_realloc(w->local, (size_t)words * 4 * PTX_LANES);
    memset(w->local + (size_t)w->local_bytes * PTX_LANES, 0,
           (size_t)(words * 4 - w->local_bytes) * PTX_LANES);
    ptx_local_grow(w, w->local_bytes, words * 4);
    w->local_bytes = words * 4;
}

void ptx_warp_release(ptx_warp *w)
{
    for (ptx_frame *f = w->frames, *next; f; f = next) { /* those in use too, after a fault */
        next = f->next_made;
        ptx_undef_frame_free(f);
        free(f->regs);
        free(f);
    }
    w->frames = w->free_frames = NULL;
    ptx_undef_release(w);
    ptx_async_release(w);
    ptx_bulk_release(w);
    free(w->local);
    free(w->local_state);
    w->local = w->local_state = NULL;
    w->local_bytes = 0;
}

/* ---- groups ---- */

static void run_group(ptx_warp *w, ptx_frame *f, uint32_t pc, uint32_t mask, uint32_t last_pc)
{
    w->frame = f;
    w->regs = f->regs;
    w->pred = f->pred;
    w->insn = f->code->insn + pc;
    w->active = mask;
    w->last_pc = last_pc;
    w->in_run = false;
    w->shapes = w->easy_shapes = w->race_shapes = 0;
}

static void park(ptx_warp *w, ptx_group g)
{
    for (int k = 0; k < w->n_parked; k++) {
        ptx_group *p = &w->parked[k];
        if (p->frame == g.frame && p->pc == g.pc && p->wait == g.wait) {
            p->mask |= g.mask;
            p->need |= g.need;
            p->last_pc = p->last_pc > g.last_pc ? p->last_pc : g.last_pc;
            return;
        }
    }
    w->parked[w->n_parked++] = g;
}

static void park_running(ptx_warp *w, uint32_t mask, uint32_t pc)
{
    park(w, (ptx_group){.pc = pc, .mask = mask, .last_pc = w->last_pc, .frame = w->frame});
}

static ptx_group unpark(ptx_warp *w, int k)
{
    ptx_group g = w->parked[k];
    w->parked[k] = w->parked[--w->n_parked];
    return g;
}

static bool is_before(const ptx_frame *fa, uint32_t pca, const ptx_frame *fb, uint32_t pcb)
{
    return fa->depth != fb->depth ? fa->depth > fb->depth : pca < pcb;
}

/* The parked group to run next, -1 none. `last`: the one that comes last, when an earlier one has spun. */
static int best_parked(const ptx_warp *w, bool last)
{
    int best = -1;
    for (int k = 0; k < w->n_parked; k++) {
        const ptx_group *g = &w->parked[k], *b = best >= 0 ? &w->parked[best] : NULL;
        if (g->wait == PTX_RUNNABLE && (!b || is_before(g->frame, g->pc, b->frame, b->pc) != last))
            best = k;
    }
    return best;
}

/* A bar.warp.sync is done when the lanes that wait at any with the same mask are all that it names. */
static void release_warp_sync(ptx_warp *w, uint32_t need)
{
    uint32_t here = 0;
    for (int k = 0; k < w->n_parked; k++)
        if (w->parked[k].wait == PTX_WAIT_WARPSYNC && w->parked[k].need == need)
            here |= w->parked[k].mask;
    if (need & w->live & ~here)
        return;
    ptx_race_warp_sync(w);
    for (int k = 0; k < w->n_parked; k++)
        if (w->parked[k].wait == PTX_WAIT_WARPSYNC && w->parked[k].need == need) {
            w->parked[k].wait = PTX_RUNNABLE;
            w->parked[k].pc++;
        }
}

static void wake_waiting(ptx_warp *w)
{
    for (int k = 0; k < w->n_parked; k++) {
        ptx_group *g = &w->parked[k];
        if (g->wait == PTX_WAIT_LANES && !(g->need & w->live & ~g->mask))
            g->wait = PTX_RUNNABLE;
        else if (g->wait == PTX_WAIT_CLUSTER && ptx_cluster_arrived(w, g->mask))
            g->wait = PTX_RUNNABLE;
        else if (g->wait == PTX_WAIT_WARPSYNC)
            release_warp_sync(w, g->need);
    }
}

static const ptx_insn *group_insn(const ptx_group *g)
{
    return &g->frame->code->insn[g->pc];
}

static int lowest(uint32_t mask)
{
    return mask ? __builtin_ctz(mask) : 0;
}

/* All groups wait. At one barrier they may; anything else is for ever. */
static ptx_event all_wait(ptx_warp *w)
{
    ptx_group *first = &w->parked[0];
    bool one_barrier = true;
    for (int k = 0; k < w->n_parked; k++)
        if (w->parked[k].wait == PTX_WAIT_CLUSTER)
            return PTX_EV_CLUSTER;
    for (int k = 0; k < w->n_parked; k++) {
        ptx_group *g = &w->parked[k];
        const ptx_barrier *bar = g->wait == PTX_WAIT_BARRIER ? group_insn(g)->aux : NULL;
        if (bar && (first->wait != PTX_WAIT_BARRIER ||
                    is_before(g->frame, g->pc, first->frame, first->pc)))
            first = g;
        one_barrier &= bar && (w->n_parked == 1 ||
                               (!bar->aligned && ptx_barrier_id(g) == ptx_barrier_id(first)));
    }
    if (one_barrier)
        return PTX_EV_BARRIER;
    if (first->wait == PTX_WAIT_BARRIER)
        ptx_fault_sync(w, group_insn(first), lowest(first->mask), HX_DIVERGENT_BARRIER,
                         "Divergent thread(s) in warp",
                         "divergent barrier: only %d of the warp's %d threads reach it, the others "
                         "wait elsewhere",
                         __builtin_popcount(first->mask), __builtin_popcount(w->live));
    else
        ptx_fault_sync(
            w, group_insn(first), lowest(first->mask), HX_DEADLOCK, "Divergent thread(s) in warp",
            "deadlock: lanes %08x of a warp wait in %.*s for lanes %08x that never come",
            first->mask, WS_STR_ARG(group_insn(first)->ast->part[0]),
            first->need & w->live & ~first->mask);
    return PTX_EV_FAULT;
}

/* Another group after the running one has no lanes left. */
static ptx_event pick(ptx_warp *w)
{
    int k = best_parked(w, false);
    if (k < 0) {
        wake_waiting(w);
        k = best_parked(w, false);
    }
    if (k < 0)
        return w->n_parked ? all_wait(w) : PTX_EV_DONE;
    ptx_group g = unpark(w, k);
    run_group(w, g.frame, g.pc, g.mask, g.last_pc);
    return PTX_GO;
}

static void absorb(ptx_warp *w, uint32_t pc)
{
    for (int k = w->n_parked - 1; k >= 0; k--) {
        const ptx_group *g = &w->parked[k];
        if (g->frame != w->frame || g->pc != pc || g->wait == PTX_WAIT_BARRIER ||
            g->wait == PTX_WAIT_WARPSYNC)
            continue;
        w->active |= g->mask;
        w->last_pc = w->last_pc > g->last_pc ? w->last_pc : g->last_pc;
        unpark(w, k);
    }
}

/* At a basic block of a diverged warp: merge, then hand over to a group that goes first. */
static void reschedule(ptx_warp *w)
{
    uint32_t pc = ptx_group_pc(w);
    absorb(w, pc);
    if (w->hold > 0) {
        w->hold--;
        return;
    }
    bool spun = ++w->diverged_ticks > FAIR_TICKS;
    int k = best_parked(w, spun);
    if (k < 0)
        return;
    ptx_group g = w->parked[k];
    if (!spun && !is_before(g.frame, g.pc, w->frame, pc))
        return;
    if (spun) {
        w->diverged_ticks = 0;
        w->hold = FAIR_TICKS;
    }
    unpark(w, k);
    park_running(w, w->active, pc);
    run_group(w, g.frame, g.pc, g.mask, g.last_pc);
    absorb(w, g.pc);
}

/* ---- what handlers do to groups ---- */

void ptx_warp_branch(ptx_warp *w, uint32_t target)
{
    assert(w->insn[-1].control);
    uint32_t taken = w->exec, rest = w->active & ~taken, next = ptx_group_pc(w);
    if (rest) {
        if (w->tally)
            w->tally[w->frame->code->tally[next - 1]].diverged++;
        park_running(w, target < next ? rest : taken, target < next ? next : target);
        w->active = target < next ? taken : rest;
    }
    if (!rest || target < next)
        w->insn = w->frame->code->insn + target;
}

void ptx_warp_resume(ptx_warp *w)
{
    if (w->n_parked != 1 || w->active)
        return;
    ptx_group g = unpark(w, 0);
    run_group(w, g.frame, g.pc, g.mask, g.last_pc);
}

static void drop_active(ptx_warp *w, uint32_t mask)
{
    w->active &= ~mask;
    if (!w->active && w->event == PTX_GO)
        w->event = PTX_EV_SWITCH;
}

void ptx_warp_send(ptx_warp *w, uint32_t mask, uint32_t target)
{
    assert(w->insn[-1].control);
    park_running(w, mask, target);
    drop_active(w, mask);
}

static void note_exit(ptx_block *b, uint32_t last_pc)
{
    for (int e = 0; e < b->n_exits; e++)
        if (b->exit_pc[e] == last_pc)
            return;
    if (b->n_exits < PTX_MAX_EXITS)
        b->exit_pc[b->n_exits++] = last_pc;
}

void ptx_warp_exit(ptx_warp *w)
{
    assert(w->insn[-1].control);
    uint32_t mask = w->exec;
    note_exit(w->block, w->last_pc);
    w->live &= ~mask;
    if (!w->live && (w->wgmma_open || w->wgmma_groups))
        ptx_fault_sync(w, w->insn - 1, lowest(mask), HX_ILLEGAL, "Warpgroup MMA sequence error detected",
                         "illegal: the warp ends with products of wgmma that it did "
                         "not wait for");
    if (w->bulk)
        ptx_bulk_finish(w, mask);
    frame_leave(w, w->frame, mask, true);
    drop_active(w, mask);
}

void ptx_warp_count_again(ptx_warp *w, const ptx_insn *i)
{
    ptx_worker *k = w->worker;
    if (!i->leader)
        return;
    if (!w->in_run) {
        k->hits[i->bb]--;
        k->lanes[i->bb] -= (uint64_t)__builtin_popcount(w->exec);
        return;
    }
    uint32_t rest = w->active & ~w->exec;
    w->in_run = false;
    k->runs[i->bb]--;
    k->hits[i->bb] += rest != 0;
    k->lanes[i->bb] += (uint64_t)__builtin_popcount(rest);
}

void ptx_warp_wait(ptx_warp *w, ptx_wait kind, uint32_t need)
{
    assert(w->insn[-1].control);
    uint32_t pc = ptx_group_pc(w) - 1;
    const ptx_insn *i = &w->frame->code->insn[pc];
    if (kind == PTX_WAIT_LANES || kind == PTX_WAIT_CLUSTER)
        ptx_warp_count_again(w, i);
    park(w, (ptx_group){.pc = pc,
                        .mask = w->exec,
                        .need = need,
                        .last_pc = w->last_pc,
                        .frame = w->frame,
                        .wait = kind});
    drop_active(w, w->exec);
    if (kind == PTX_WAIT_BARRIER && w->event == PTX_EV_SWITCH && w->n_parked == 1)
        w->event = PTX_EV_BARRIER;
}

/* One value of the lanes between a caller's frame and offset `at` of its callee's. */
static void copy_value(ptx_warp *w, const ptx_value *v, const ptx_frame *caller, const ptx_frame *callee, uint32_t at,
                       bool into_callee, uint32_t mask)
{
    for (uint32_t left = mask; left; left &= left - 1) {
        int l = __builtin_ctz(left);
        for (uint32_t b = 0; b < v->bytes; b++) {
            uint8_t *in = ptx_local_byte(w, l, callee->local_base + at + b);
            uint8_t *reg = v->slot == PTX_NO_SLOT ? NULL : caller->regs + v->slot + (size_t)l * v->bytes + b;
            if (reg && into_callee)
                *in = *reg;
            else if (reg)
                *reg = *in;
            else if (into_callee)
                *in = *ptx_local_byte(w, l, caller->local_base + v->offset + b);
            else
                *ptx_local_byte(w, l, caller->local_base + v->offset + b) = *in;
        }
    }
    u32 in = callee->local_base + at, out = caller->local_base + v->offset;
    if (w->undef && v->slot == PTX_NO_SLOT)
        ptx_undef_copy_local(w, into_callee ? in : out, into_callee ? out : in, v->bytes, mask);
}

void ptx_warp_call(ptx_warp *w, const struct ptx_call *call, const ptx_code *callee)
{
    assert(w->insn[-1].control);
    ptx_frame *from = w->frame;
    uint32_t base = from->local_base + from->code->local_bytes + from->stack_bytes, next = ptx_group_pc(w),
             mask = w->exec;
    if (from->depth + 1 >= PTX_MAX_CALL_DEPTH || base + callee->local_bytes > LOCAL_LIMIT) {
        ptx_fault_simple(w, w->insn - 1, lowest(mask), HX_ILLEGAL,
                         "stack overflow: calls are nested %d deep", from->depth + 1);
        return;
    }
    if (w->active & ~mask)
        park_running(w, w->active & ~mask, next);
    local_reserve(w, base + callee->local_bytes);
    ptx_frame *f = frame_new(w, callee);
    f->parent = from;
    f->call = call;
    f->depth = from->depth + 1;
    f->local_base = base;
    f->return_pc = next;
    f->lanes = mask;
    ptx_local_enter(w, base, callee->local_bytes, mask);
    for (int a = 0; a < call->n_args; a++)
        copy_value(w, &call->arg[a], from, f, (uint32_t)callee->fn->param[a]->address, true, mask);
    run_group(w, f, 0, mask, w->last_pc);
}

void ptx_warp_return(ptx_warp *w)
{
    assert(w->insn[-1].control);
    ptx_frame *f = w->frame, *to = f->parent;
    uint32_t mask = w->exec;
    if (!to) {
        ptx_warp_exit(w);
        return;
    }
    for (int r = 0; r < f->call->n_rets; r++)
        copy_value(w, &f->call->ret[r], to, f, (uint32_t)f->code->fn->ret[r]->address, false, mask);
    park(w, (ptx_group){.pc = f->return_pc, .mask = mask, .last_pc = w->last_pc, .frame = to});
    drop_active(w, mask);
    frame_leave(w, f, mask, false);
}

uint32_t ptx_warp_alloca(ptx_warp *w, uint32_t bytes, uint32_t align)
{
    ptx_frame *f = w->frame;
    uint32_t top = f->local_base + f->code->local_bytes + f->stack_bytes, at = (top + align - 1) & ~(align - 1);
    if (at > LOCAL_LIMIT || bytes > LOCAL_LIMIT - at)
        return UINT32_MAX;
    bytes = (bytes + 15) & ~15u; /* frames of calls lie on multiples of 16 */
    local_reserve(w, at + bytes);
    ptx_local_enter(w, top, at + bytes - top, w->exec);
    f->stack_bytes += at + bytes - top;
    return at;
}

/* Of the registers and predicates of the running frame. */
static uint64_t state_hash(const ptx_warp *w)
{
    const ptx_code *code = w->frame->code;
    uint64_t h = 0xcbf29ce484222325ull ^ w->active, word;
    for (uint32_t at = 0; at + 8 <= code->frame_bytes; at += 8) {
        memcpy(&word, w->regs + at, 8);
        h = (h ^ word) * 0x9e3779b97f4a7c15ull;
        h ^= h >> 32;
    }
    return h;
}

/* Lanes that wait for others of their warp let these run first. A loop that changes registers, like a counter,
 * ends some time and is no polling. */
void ptx_warp_end_turn(ptx_warp *w)
{
    w->polls = 0;
    w->quantum = 0;
    if (best_parked(w, false) >= 0) {
        w->diverged_ticks = FAIR_TICKS;
        w->hold = 0;
        return;
    }
    uint64_t state = state_hash(w);
    w->polled = state == w->poll_state;
    w->poll_state = state;
}

/* Whether the warp, which polls, goes on doing so in this turn. */
static bool is_patient(ptx_warp *w)
{
    if (w->worker->grid->options->schedule != PTX_SCHED_RANDOM || w->block->rng >> 40 & 1 ||
        w->insns > PATIENT_INSNS || w->polls >= PATIENT_POLLS)
        return false;
    if (w->polls % MAX_POLLS)
        return true;
    const uint64_t was = w->poll_state;
    w->poll_state = state_hash(w);
    return w->poll_state != was;
}

void ptx_warp_poll(ptx_warp *w, const ptx_insn *i, uint64_t addr)
{
    w->polls = w->poll == i && w->poll_addr == addr ? w->polls + 1 : 0;
    w->poll = i;
    w->poll_addr = addr;
    if (w->polls >= MAX_POLLS && !is_patient(w))
        ptx_warp_end_turn(w);
}

/* Others come between a load, or an atomic, and what follows from it, half of the times. */
void ptx_warp_pause(ptx_warp *w)
{
    if (w->worker->grid->options->schedule == PTX_SCHED_RANDOM && !w->event && ptx_block_random(w->block) % 2)
        w->event = PTX_EV_YIELD;
}

/* ---- running ---- */

void ptx_warp_start(ptx_warp *w, uint32_t lanes)
{
    const ptx_code *code = w->worker->grid->program->code[0];
    local_reserve(w, code->local_bytes);
    if (code->local_bytes)
        memset(w->local, undefined_byte(w), (size_t)code->local_bytes * PTX_LANES);
    ptx_local_enter(w, 0, code->local_bytes, PTX_FULL);
    ptx_frame *f = frame_new(w, code);
    f->lanes = lanes;
    w->live = lanes;
    w->n_parked = 0;
    w->diverged_ticks = w->hold = 0;
    w->insns = 0;
    w->carry = 0;
    ptx_undef_reset(w);
    w->wgmma_fenced = w->wgmma_open = false;
    w->wgmma_groups = w->wgmma_committed = 0;
    memset(w->wgmma_seen, 0, sizeof w->wgmma_seen);
    run_group(w, f, 0, lanes, 0);
}

static inline __attribute__((always_inline)) void enter_block(ptx_warp *w)
{
    if (w->in_run && w->insn->leader == PTX_LEADS_ON)
        return;
    if (w->quantum <= 0) {
        w->event = PTX_EV_YIELD;
        return;
    }
    if (w->n_parked)
        reschedule(w);
    const ptx_insn *i = w->insn;
    const ptx_worker *k = w->worker;
    w->shapes = w->easy_shapes = w->race_shapes = 0;
    w->in_run = w->active == PTX_FULL;
    if (w->in_run) {
        w->quantum -= i->run_len;
        w->insns += i->run_len;
        k->runs[i->bb]++;
        w->last_pc = i->is_place ? i->run_last : w->last_pc;
        return;
    }
    w->quantum -= i->bb_len;
    w->insns += i->bb_len;
    k->hits[i->bb]++;
    k->lanes[i->bb] += (uint64_t)__builtin_popcount(w->active);
    if (i->is_place)
        w->last_pc = i->last_pc;
}

static inline uint32_t guarded(const ptx_warp *w, const ptx_insn *i)
{
    return w->active & (w->pred[i->guard - 1] ^ (i->guard_neg ? PTX_FULL : 0u));
}

void ptx_chain_end(ptx_warp *w, const ptx_insn *i)
{
    w->insn = i;
}

/* Instructions up to the end of the basic block, or to a fault. Only the last one can change which lanes run where,
 * so that for the others nothing but the guard is looked at. */
static void run_block(ptx_warp *w)
{
    const ptx_insn *i = w->insn;
    w->exec = w->whole = w->active;
    if (!i->control) {
        do {
            w->insn = i + 1;
            if (!i->guard) {
                i->run(w, i);
            } else {
                if ((w->exec = w->whole = guarded(w, i)))
                    i->run(w, i);
                w->exec = w->whole = w->active;
            }
            i = w->insn; /* a few on, when they were chained */
        } while (!i->stop && !w->event);
        if (i->leader || w->event)
            return;
    }
    if (i->guard)
        w->exec = w->whole = guarded(w, i);
    if (i->control == PTX_JUMPS && (w->exec == w->active || !w->exec)) {
        w->insn = i + (w->exec ? i->imm : 1);
        return;
    }
    w->insn = i + 1;
    if (w->exec)
        i->run(w, i);
}

static ptx_event run_defined(ptx_warp *w)
{
    for (;;) {
        if (w->event) {
            if (w->event == PTX_EV_SWITCH)
                w->event = pick(w);
            if (w->event)
                return w->event;
        }
        if (w->insn->leader) {
            enter_block(w);
            if (w->event)
                continue;
        }
        run_block(w);
    }
}

/* While a register is undefined, see undef.h. */
static __attribute__((noinline, cold)) ptx_event run_undefined(ptx_warp *w)
{
    for (;;) {
        if (w->event == PTX_EV_UNDEFINED)
            w->event = w->active ? PTX_GO : PTX_EV_SWITCH;
        if (w->event == PTX_EV_SWITCH)
            w->event = pick(w);
        if (w->event)
            return w->event;
        if (w->insn->leader) {
            if (!ptx_undef_left(w))
                return PTX_EV_UNDEFINED;
            enter_block(w);
            if (w->event)
                continue;
        }
        ptx_undef_step(w);
    }
}

ptx_event ptx_warp_run(ptx_warp *w)
{
    ptx_event e;
    do {
        w->event = w->active ? PTX_GO : PTX_EV_SWITCH;
        e = w->undef && w->undef->on ? run_undefined(w) : run_defined(w);
    } while (e == PTX_EV_UNDEFINED);
    return e;
}
