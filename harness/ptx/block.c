#include "harness/ptx/block.h"

#include "harness/ptx/cluster.h"
#include "harness/ptx/known.h"
#include "harness/ptx/lanes.h"
#include "harness/ptx/undef.h"
#include "harness/ptx/x_mbarrier.h"

#include <stdlib.h>
#include <string.h>

enum { WARP_QUANTUM = 1 << 16, UNINITIALIZED_BYTE = 0xcb, SHARED_SLACK = 64, MOST_HANDED_OVER = 16 };

/* ---- life ---- */

static ptx_block *block_new(ptx_worker *k)
{
    const ptx_grid *g = k->grid;
    ptx_block *b = ws_calloc(1, sizeof *b);
    b->threads = g->threads;
    b->n_warps = (int)((g->threads + PTX_LANES - 1) / PTX_LANES);
    b->warp = ws_calloc((size_t)b->n_warps, sizeof *b->warp);
    if (posix_memalign((void **)&b->shared, 128, g->shared_bytes + SHARED_SLACK))
        ws_bug("out of memory");
    b->shared_state = ws_calloc(g->shared_bytes + SHARED_SLACK, 1);
    if (g->options->check_race && g->shared_bytes)
        b->shared_shadow = ptx_shadow_new(g->shared_bytes, g->program->granule, false);
    return b;
}

void ptx_block_free(ptx_block *b)
{
    for (int w = 0; w < b->n_warps; w++)
        ptx_warp_release(&b->warp[w]);
    ptx_mbarriers_free(b);
    ptx_undef_forget(b);
    ptx_order_start(b);
    ptx_race_cluster_free(b);
    ptx_shadow_free(b->shared_shadow);
    free(b->shared);
    free(b->shared_state);
    free(b->kind);
    free(b->warp);
    free(b);
}

void ptx_block_recycle(ptx_worker *k, ptx_block *b)
{
    b->next = k->free_blocks;
    k->free_blocks = b;
}

/* What stays the same in all blocks that run in this one's place. */
static void set_warp(ptx_worker *k, ptx_block *b, int id)
{
    ptx_warp *w = &b->warp[id];
    const uint32_t *dim = k->grid->args->block;
    w->id = id;
    w->block = b;
    w->worker = k;
    w->tally = k->tally;
    w->checks = (k->grid->options->check_init ? PTX_CHECK_INIT : 0u) |
                (k->grid->options->check_race ? PTX_CHECK_RACE : 0u) |
                (k->tally ? PTX_CHECK_COUNT : 0u) | (k->cache ? PTX_CHECK_CACHE : 0u);
    w->shared = b->shared;
    w->shared_state = b->shared_state;
    w->shared_bytes = k->grid->shared_bytes;
    EACH_LANE(l)
    {
        uint32_t t = (uint32_t)(id * PTX_LANES + l);
        w->tid[0][l] = t % dim[0];
        w->tid[1][l] = t / dim[0] % dim[1];
        w->tid[2][l] = t / dim[0] / dim[1];
    }
}

static void start_warp(ptx_worker *k, ptx_block *b, int id)
{
    ptx_warp *w = &b->warp[id];
    uint32_t more = b->threads - (uint32_t)id * PTX_LANES;
    if (w->worker != k)
        set_warp(k, b, id);
    w->state = PTX_WARP_READY;
    w->barrier_votes = 0;
    w->barrier_reduces = false;
    if (w->async)
        ptx_async_release(w);
    if (w->bulk)
        ptx_bulk_release(w);
    ptx_warp_start(w, more < PTX_LANES ? (1u << more) - 1 : PTX_FULL);
}

ptx_block *ptx_block_start(ptx_worker *k, uint32_t index, uint32_t turn)
{
    const uint32_t *grid = k->grid->grid;
    ptx_block *b = k->free_blocks;
    if (b)
        k->free_blocks = b->next;
    else
        b = block_new(k);
    b->next = NULL;
    b->cluster = NULL;
    b->rank = 0;
    b->index = index;
    b->turn = turn;
    b->sm = turn * k->grid->cluster_blocks + index % k->grid->cluster_blocks;
    b->ctaid[0] = index % grid[0];
    b->ctaid[1] = index / grid[0] % grid[1];
    b->ctaid[2] = index / grid[0] / grid[1];
    b->done = b->n_exits = 0;
    b->held.insn = NULL;
    b->bulk_reads = 0;
    b->insns = 0;
    b->rng = (k->grid->options->seed + 1) * 0x9e3779b97f4a7c15ull + index;
    ptx_mbarriers_free(b);
    ptx_undef_forget(b);
    memset(b->arrived, 0, sizeof b->arrived);
    memset(b->shared, UNINITIALIZED_BYTE, k->grid->shared_bytes);
    memset(b->shared_state, 0, k->grid->shared_bytes);
    if (b->kind)
        memset(b->kind, 0, k->grid->shared_bytes);
    ptx_known_start(b, k->grid->shared_bytes, k->grid->options->check_init);
    for (int w = 0; w < b->n_warps; w++)
        start_warp(k, b, w);
    ptx_race_block(b);
    ptx_order_start(b);
    k->counters.blocks++;
    k->counters.warps += (uint64_t)b->n_warps;
    k->counters.threads += b->threads;
    return b;
}

/* ---- barriers ---- */

static bool waits_at(const ptx_warp *w, uint32_t id)
{
    return w->state == PTX_WARP_AT_BARRIER && w->barrier == id;
}

static const ptx_insn *barrier_insn(const ptx_group *g)
{
    return &g->frame->code->insn[g->pc];
}

/* Whether straight-line and forward-branching code leads from `from` to `to` in the kernel: then lanes that
 * were last at `to` have gone past the barrier at `from` without it. Loops do not count: lanes that left
 * in an earlier turn are not past it. */
static bool leads_to(const ptx_code *code, uint32_t from, uint32_t to)
{
    if (to <= from)
        return false;
    uint8_t *reached = ws_calloc(code->n + 1, 1);
    reached[from] = 1;
    for (uint32_t pc = from; pc < to; pc++) {
        const ptx_insn *i = &code->insn[pc];
        if (!reached[pc])
            continue;
        for (int o = 0; o < i->ast->n_operands; o++) {
            const ptx_operand *p = &i->ast->operand[o];
            if (p->kind == PTX_OPD_LABEL)
                reached[p->target] = 1;
            for (int t = 0; p->kind == PTX_OPD_TARGETS && t < p->n_targets; t++)
                reached[p->targets[t]] = 1;
        }
        bool leaves = ws_str_eqz(i->ast->part[0], "bra") || ws_str_eqz(i->ast->part[0], "brx") ||
                      i->flags & PTX_IF_EXIT;
        if (!leaves || i->guard)
            reached[pc + 1] = 1;
    }
    bool found = reached[to];
    free(reached);
    return found;
}

/* Threads that ended may have returned early; but not through code behind the barrier. */
static bool barrier_was_skipped(ptx_warp *w)
{
    const ptx_block *b = w->block;
    const ptx_group *g = &w->parked[0];
    const ptx_code *kernel = w->worker->grid->program->code[0];
    for (int e = 0; e < b->n_exits; e++)
        if (leads_to(kernel, g->last_pc, b->exit_pc[e])) {
            ptx_fault_sync(
                w, barrier_insn(g), __builtin_ctz(g->mask), HX_DIVERGENT_BARRIER,
                "Divergent thread(s) in block",
                "divergent barrier: other threads of the block went past it and ended");
            return true;
        }
    return false;
}

static uint32_t reduce_votes(const ptx_block *b, uint32_t id, uint8_t op)
{
    uint32_t count = 0, threads = 0;
    for (int w = 0; w < b->n_warps; w++)
        if (waits_at(&b->warp[w], id)) {
            count += (uint32_t)__builtin_popcount(b->warp[w].barrier_votes);
            threads += (uint32_t)__builtin_popcount(b->warp[w].live);
        }
    return op == PTX_BAR_POPC ? count : op == PTX_BAR_AND ? count == threads : count != 0;
}

static void pass_barrier(ptx_worker *k, ptx_block *b, uint32_t id, bool reduces)
{
    ptx_race_barrier(b, id);
    uint32_t result[PTX_BAR_POPC + 1] = {0};
    for (uint8_t op = PTX_BAR_AND; reduces && op <= PTX_BAR_POPC; op++)
        result[op] = reduce_votes(b, id, op);
    for (int n = 0; n < b->n_warps; n++) {
        ptx_warp *w = &b->warp[n];
        if (!waits_at(w, id))
            continue;
        for (int q = 0; q < w->n_parked; q++) {
            const ptx_barrier *bar = reduces ? barrier_insn(&w->parked[q])->aux : NULL;
            if (bar && bar->op >= PTX_BAR_AND)
                ptx_barrier_finish(&w->parked[q], result[bar->op]);
            w->parked[q].wait = PTX_RUNNABLE;
            w->parked[q].pc++;
        }
        ptx_warp_resume(w);
        w->state = PTX_WARP_READY;
        w->barrier_votes = 0;
        w->barrier_reduces = false;
        k->counters.barrier_waits++;
        k->counters.barrier_arrivals++;
    }
    b->arrived[id] = 0;
}

/* Everybody at a barrier has to name the same number of threads. */
static bool counts_differ(ptx_warp *w, uint32_t id, uint32_t expected, uint32_t other)
{
    if (expected == other)
        return false;
    ptx_fault_sync(w, barrier_insn(&w->parked[0]), __builtin_ctz(w->parked[0].mask), HX_DIVERGENT_BARRIER,
                   "Invalid arguments", "divergent barrier: barrier %u is for %u threads here, for %u elsewhere", id,
                   expected ? expected : w->block->threads, other ? other : w->block->threads);
    return true;
}

/* Completes barrier `id` when the threads that it expects are there. */
static bool try_barrier(ptx_worker *k, ptx_block *b, uint32_t id, bool *fault)
{
    uint32_t here = 0, expected = 0, waiting = 0;
    bool reduces = false;
    ptx_warp *first = NULL;
    for (int n = 0; n < b->n_warps; n++) {
        ptx_warp *w = &b->warp[n];
        if (!waits_at(w, id))
            continue;
        uint32_t count = w->barrier_threads;
        reduces |= w->barrier_reduces;
        expected = first ? expected : b->arrived[id] ? b->arrived_count[id] : count;
        first = first ? first : w;
        waiting++;
        here += PTX_LANES;
        if ((*fault = counts_differ(w, id, count, expected)))
            return false;
    }
    if (!first)
        return false;
    if (expected ? here + (uint32_t)b->arrived[id] < expected : (int)waiting < b->n_warps - b->done)
        return false;
    *fault = (!expected && b->n_exits && barrier_was_skipped(first)) || ptx_watch_release(b);
    if (*fault)
        return false;
    pass_barrier(k, b, id, reduces);
    return true;
}

void ptx_barrier_arrive(ptx_warp *w, uint32_t id, uint32_t threads)
{
    bool fault = false;
    ptx_block *b = w->block;
    w->worker->counters.barrier_arrivals++;
    b->arrived[id] += PTX_LANES;
    b->arrived_count[id] = threads;
    if (!try_barrier(w->worker, b, id, &fault) && !fault && (uint32_t)b->arrived[id] >= threads) {
        b->arrived[id] = 0; /* nobody waits for this phase */
        memset(b->arrived_seen[id], 0, sizeof b->arrived_seen[id]);
    }
}

static bool pass_barriers(ptx_worker *k, ptx_block *b, bool *fault)
{
    bool any = false;
    uint32_t ids = 0;
    for (int n = 0; n < b->n_warps; n++)
        ids |= b->warp[n].state == PTX_WARP_AT_BARRIER ? 1u << b->warp[n].barrier : 0;
    EACH_SET(id, ids)
        if (!*fault)
            any |= try_barrier(k, b, id, fault);
    return any;
}

/* A barrier for some threads completes with the last of them; others may come to it anew in the same turn. */
static void pass_counted(ptx_worker *k, ptx_warp *w, bool *fault)
{
    if (w->barrier_threads)
        try_barrier(k, w->block, w->barrier, fault);
}

/* ---- turns ---- */

/* The n-th warp to take its turn, `first` places on where turns are shuffled. */
static int nth_warp(const ptx_block *b, ptx_schedule schedule, int n, uint64_t first)
{
    switch (schedule) {
    case PTX_SCHED_REVERSE:
        return b->n_warps - 1 - n;
    case PTX_SCHED_RANDOM:
        return (int)(((uint64_t)n + first) % (uint64_t)b->n_warps);
    default:
        return n;
    }
}

/* What was counted before a turn of a warp that may do nothing but poll. How often it looks until
 * others are done is the engine's doing, so that turn is not counted. Loads and instructions alone are
 * forgotten: a loop that comes back to the same registers may have its state in memory. */
typedef struct mark {
    uint64_t *at; /* hits, lanes, runs; NULL: not kept */
    ptx_counters counters;
} mark;

static void mark_counts(ptx_worker *k, const ptx_warp *w, mark *m)
{
    size_t n = k->grid->program->n_bbs + 1, bytes = n * sizeof *k->hits;
    m->at = NULL;
    if (!w->poll_state || !k->grid->options->count)
        return;
    if (!k->marked) {
        k->marked = ws_malloc(3 * bytes);
        k->marked_tally = ws_malloc(k->grid->program->n_tallies * sizeof *k->tally);
    }
    m->at = k->marked;
    m->counters = k->counters;
    memcpy(m->at, k->hits, bytes);
    memcpy(m->at + n, k->lanes, bytes);
    memcpy(m->at + 2 * n, k->runs, bytes);
    memcpy(k->marked_tally, k->tally, k->grid->program->n_tallies * sizeof *k->tally);
}

static bool only_looked(const ptx_worker *k, const ptx_counters *was)
{
    return k->counters.mbarrier_arrivals == was->mbarrier_arrivals && k->counters.bulk_copies == was->bulk_copies &&
           ptx_tallies_are_of_loads(k->grid->program, k->marked_tally, k->tally);
}

/* false: the turn counts. */
static bool forget_turn(ptx_worker *k, const mark *m)
{
    size_t n = k->grid->program->n_bbs + 1, bytes = n * sizeof *k->hits;
    if (!m->at || !only_looked(k, &m->counters))
        return false;
    k->counters = m->counters;
    memcpy(k->hits, m->at, bytes);
    memcpy(k->lanes, m->at + n, bytes);
    memcpy(k->runs, m->at + 2 * n, bytes);
    memcpy(k->tally, k->marked_tally, k->grid->program->n_tallies * sizeof *k->tally);
    return true;
}

/* One turn of every warp that can run; *waits: all that ran did nothing but look at memory. */
static bool turn(ptx_worker *k, ptx_block *b, int64_t *used, bool *ran, bool *waits)
{
    uint64_t first = ptx_block_random(b);
    *waits = true;
    for (int n = 0; n < b->n_warps; n++) {
        ptx_warp *w = &b->warp[nth_warp(b, k->grid->options->schedule, n, first)];
        if (w->state == PTX_WARP_AT_CLUSTER && ptx_cluster_wakes(w))
            w->state = PTX_WARP_READY;
        if (w->state != PTX_WARP_READY)
            continue;
        *ran = true;
        w->quantum = WARP_QUANTUM;
        w->polled = false;
        uint64_t before = w->insns;
        mark m;
        mark_counts(k, w, &m);
        ptx_event e = ptx_warp_run(w);
        int64_t insns = (int64_t)(w->insns - before);
        *used += insns;
        *waits &= w->polled;
        if (w->polled && forget_turn(k, &m))
            w->insns = before;
        else
            b->insns += (uint64_t)insns;
        if (e == PTX_EV_DONE) {
            w->state = PTX_WARP_DONE;
            b->done++;
            if (w->insns > k->counters.max_warp_insns)
                k->counters.max_warp_insns = w->insns;
        } else if (e == PTX_EV_BARRIER) {
            bool fault = false;
            w->state = PTX_WARP_AT_BARRIER;
            w->barrier = ptx_barrier_id(&w->parked[0]);
            w->barrier_threads = ptx_barrier_threads(&w->parked[0]);
            pass_counted(k, w, &fault);
        } else if (e == PTX_EV_CLUSTER) {
            w->state = PTX_WARP_AT_CLUSTER;
        }
        if (e != PTX_EV_FAULT)
            ptx_account(w, (uint64_t)insns);
        if (ptx_must_stop(k->grid, b->turn))
            return false;
    }
    return true;
}

/* Whether warps go on because the last thread that the cluster's barrier waited for has exited. */
static bool wakes(ptx_block *b)
{
    if (!b->cluster)
        return false;
    ptx_cluster_complete(b->cluster);
    for (int n = 0; n < b->n_warps; n++)
        if (b->warp[n].state == PTX_WARP_AT_CLUSTER && ptx_cluster_wakes(&b->warp[n]))
            return true;
    return false;
}

/* Where turns are shuffled, a block that others may wait for lets them come between two of its turns; a few
 * are half done at a time. */
static bool hands_over(const ptx_worker *k, ptx_block *b)
{
    return k->grid->options->schedule == PTX_SCHED_RANDOM && ptx_blocks_may_wait(k->grid) &&
           k->n_resident < MOST_HANDED_OVER && ptx_block_random(b) % 2;
}

ptx_block_end ptx_block_run(ptx_worker *k, ptx_block *b, int64_t slice)
{
    int64_t used = 0;
    for (;;) {
        bool ran = false, waits = false, fault = false;
        if (!turn(k, b, &used, &ran, &waits))
            return PTX_BLOCK_STOPPED;
        if (b->done == b->n_warps) {
            if (ptx_watch_release(b) || !ptx_mbarriers_end(b) || !ptx_race_block_end(b))
                return PTX_BLOCK_STOPPED;
            if (b->insns > k->counters.max_block_warp_insns)
                k->counters.max_block_warp_insns = b->insns;
            if (!k->counters.min_block_warp_insns || b->insns < k->counters.min_block_warp_insns)
                k->counters.min_block_warp_insns = b->insns;
            return PTX_BLOCK_DONE;
        }
        bool passed = pass_barriers(k, b, &fault);
        if (ptx_must_stop(k->grid, b->turn))
            return PTX_BLOCK_STOPPED;
        if (!ran && !passed && !wakes(b))
            return PTX_BLOCK_STUCK;
        if (ran && waits && !passed)
            return PTX_BLOCK_WAITS;
        if (used >= slice || hands_over(k, b))
            return PTX_BLOCK_AGAIN;
    }
}
