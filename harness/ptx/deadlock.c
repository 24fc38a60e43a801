/* Deadlocks: who waits for what, in the block or cluster that shows it. */
#include "harness/ptx/cluster.h"
#include "harness/ptx/x_mbarrier.h"

#include <stdarg.h>
#include <stdio.h>

enum { TEXT = 380, MORE = 2 /* waits that are told beside the first */ };

typedef struct wait { /* what a warp is at */
    const ptx_insn *insn;
    ptx_group group; /* at a barrier */
    ptx_warp *warp;
    bool polls;
} wait;

typedef struct text {
    char s[TEXT];
    size_t n;
} text;

static void add(text *t, const char *fmt, ...) WS_PRINTF(2, 3);
static void add(text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(t->s + t->n, sizeof t->s - t->n, fmt, ap);
    va_end(ap);
    t->n += n < 0 ? 0 : (size_t)n;
    t->n = t->n < sizeof t->s ? t->n : sizeof t->s - 1;
}

static wait wait_of(ptx_warp *w)
{
    wait x = {.warp = w};
    if (w->state == PTX_WARP_AT_BARRIER || w->state == PTX_WARP_AT_CLUSTER) {
        for (int k = 0; k < w->n_parked; k++)
            if (!k || w->parked[k].wait == PTX_WAIT_CLUSTER)
                x.group = w->parked[k];
        x.insn = &x.group.frame->code->insn[x.group.pc];
    } else if (w->state == PTX_WARP_READY && w->polled) {
        x.insn = w->poll;
        x.polls = true;
    }
    return x;
}

static bool is_mbarrier(const wait *x)
{
    return x->polls && ws_str_eqz(x->insn->ast->part[0], "mbarrier");
}

/* ---- what is missing ---- */

static int warps_in(const ptx_block *b, int state)
{
    int n = 0;
    for (int k = 0; k < b->n_warps; k++)
        n += (int)b->warp[k].state == state;
    return n;
}

static void tell_barrier(text *t, const wait *x)
{
    const ptx_block *b = x->warp->block;
    uint32_t id = ptx_barrier_id(&x->group), threads = ptx_barrier_threads(&x->group);
    int here = 0;
    for (int k = 0; k < b->n_warps; k++)
        here +=
            b->warp[k].state == PTX_WARP_AT_BARRIER && ptx_barrier_id(&b->warp[k].parked[0]) == id;
    add(t, "barrier %u", id);
    if (threads)
        add(t, " for %u threads, of which %d have come", threads,
            here * PTX_LANES + b->arrived[id]);
    else
        add(t, " for all threads, of whose %d warps %d have come", b->n_warps, here);
    int ended = warps_in(b, PTX_WARP_DONE);
    if (ended)
        add(t, " and %d have ended", ended);
}

static uint32_t missing_at_cluster(const struct ptx_cluster *c, uint32_t rank)
{
    uint32_t n = 0;
    for (int k = 0; k < c->block[rank]->n_warps; k++)
        n += (uint32_t)__builtin_popcount(c->block[rank]->warp[k].live & ~c->arrived[rank][k]);
    return n;
}

static void tell_cluster(text *t, const wait *x)
{
    const struct ptx_cluster *c = x->warp->block->cluster;
    add(t, "the cluster's barrier");
    for (uint32_t r = 0, told = 0; r < c->n; r++) {
        uint32_t missing = missing_at_cluster(c, r);
        if (!missing)
            continue;
        add(t, "%s %u threads of block (%u,%u,%u)", told++ ? "," : " for", missing,
            c->block[r]->ctaid[0], c->block[r]->ctaid[1], c->block[r]->ctaid[2]);
        if (told == 3)
            break;
    }
}

static void tell_mbarrier(text *t, const wait *x)
{
    const ptx_block *b = x->warp->block;
    uint32_t at = (uint32_t)x->warp->poll_addr;
    const ptx_mbarrier *m = b->mbarriers;
    while (m && m->addr != at)
        m = m->next;
    add(t, "the mbarrier at byte %u of shared memory", at);
    if (m)
        add(t, ", phase %u: %u of %u arrivals and %lld bytes are missing", m->phase, m->pending,
            m->expected, (long long)m->tx);
}

/* The value that a spinning thread saw last, and who may yet write there. */
static void tell_spin(text *t, const wait *x)
{
    const ptx_warp *w = x->warp;
    const ptx_grid *g = w->worker->grid;
    uint64_t addr = w->poll_addr;
    if (ws_str_eqz(x->insn->ast->part[0], "nanosleep")) {
        add(t, "something, asleep");
        return;
    }
    uint32_t bytes = x->insn->esize <= 8 ? x->insn->esize : 8;
    unsigned long long value = 0;
    if (addr >> PTX_WINDOW_SHIFT == PTX_WINDOW_SHARED >> PTX_WINDOW_SHIFT ||
        x->insn->space == PTX_SPACE_SHARED || x->insn->space == PTX_SPACE_CLUSTER) {
        uint64_t at = addr & ((1u << PTX_RANK_SHIFT) - 1);
        add(t, "byte %llu of shared memory to change", (unsigned long long)at);
        if (!(addr << 8 >> 8 >> PTX_RANK_SHIFT) && at + bytes <= g->shared_bytes)
            memcpy(&value, w->block->shared + at, bytes);
        add(t, ", where it reads %llu", value);
        return;
    }
    const ptx_alloc *a = ptx_memory_find(g->mem, addr);
    if (!ptx_alloc_holds(a, addr, bytes)) {
        add(t, "address 0x%llx to change", (unsigned long long)addr);
        return;
    }
    memcpy(&value, (const void *)(uintptr_t)addr, bytes);
    add(t, "byte %llu of '%s' to change, where it reads %llu", (unsigned long long)(addr - a->lo),
        a->name, value);
    uint32_t by;
    if (ptx_race_last_writer(x->warp->worker, a, addr, &by)) {
        uint32_t x0 = by % g->grid[0], y = by / g->grid[0] % g->grid[1],
                 z = by / g->grid[0] / g->grid[1];
        add(t, ", written last by block (%u,%u,%u)", x0, y, z);
    }
    uint32_t started = atomic_load(&g->next_unit);
    if (started < g->n_units)
        add(t, "; %u of the grid's %u blocks have not started, since no more can be resident",
            (g->n_units - started) * g->cluster_blocks, g->n_blocks);
}

static void tell(text *t, const wait *x)
{
    if (x->warp->state == PTX_WARP_AT_CLUSTER)
        tell_cluster(t, x);
    else if (x->warp->state == PTX_WARP_AT_BARRIER)
        tell_barrier(t, x);
    else if (is_mbarrier(x))
        tell_mbarrier(t, x);
    else
        tell_spin(t, x);
}

/* ---- the finding ---- */

/* Barriers say most, then mbarriers, then loops that look at memory. */
static int rank_of(const wait *x)
{
    return !x->insn ? 0 : is_mbarrier(x) ? 2 : x->polls ? 1 : 3;
}

static bool same_wait(const wait *a, const wait *b)
{
    return a->insn == b->insn && a->warp->block == b->warp->block;
}

typedef struct waits {
    wait first, more[MORE];
    int n_more, left; /* further ones, that are not told */
} waits;

static void choose(waits *o, ptx_block *const *block, uint32_t n)
{
    for (uint32_t r = 0; r < n; r++)
        for (int k = 0; k < block[r]->n_warps; k++) {
            wait x = wait_of(&block[r]->warp[k]);
            if (rank_of(&x) > rank_of(&o->first))
                o->first = x;
        }
    for (uint32_t r = 0; r < n; r++)
        for (int k = 0; k < block[r]->n_warps; k++) {
            wait x = wait_of(&block[r]->warp[k]);
            bool known = !x.insn || same_wait(&x, &o->first);
            for (int m = 0; m < o->n_more; m++)
                known |= same_wait(&x, &o->more[m]);
            if (known)
                continue;
            if (o->n_more < MORE)
                o->more[o->n_more++] = x;
            else
                o->left++;
        }
}

static void tell_more(text *t, const waits *o)
{
    for (int m = 0; m < o->n_more; m++) {
        const ptx_warp *w = o->more[m].warp;
        ptx_place p = ptx_insn_place(w->worker->grid->ast, o->more[m].insn->ast);
        add(t, "; warp %d of block (%u,%u,%u) waits", w->id, w->block->ctaid[0], w->block->ctaid[1],
            w->block->ctaid[2]);
        if (p.line)
            add(t, " at line %d", p.line);
        add(t, " for ");
        tell(t, &o->more[m]);
    }
    if (o->left)
        add(t, "; and %d more", o->left);
}

void ptx_deadlock(ptx_block *b)
{
    waits o = {0};
    ptx_block *const *block = b->cluster ? b->cluster->block : &b;
    choose(&o, block, b->cluster ? b->cluster->n : 1);
    const wait *x = &o.first;
    if (!x->insn) {
        ptx_fault_simple(&b->warp[0], NULL, 0, HX_DEADLOCK,
                         "deadlock: no warp of the block can go on; found");
        return;
    }
    text t = {.n = 0};
    uint32_t lanes = x->polls ? x->warp->active : x->group.mask;
    add(&t, x->polls && !is_mbarrier(x) ? "endless: the thread waits for "
                                        : "deadlock: the warp waits for ");
    tell(&t, x);
    tell_more(&t, &o);
    ptx_fault_sync(x->warp, x->insn, lanes ? __builtin_ctz(lanes) : 0,
                   x->polls && !is_mbarrier(x) ? HX_ENDLESS : HX_DEADLOCK,
                   is_mbarrier(x) ? "Barrier phase never completes"
                   : x->polls     ? ""
                                  : "Divergent thread(s) in block",
                   "%s; found", t.s);
}
