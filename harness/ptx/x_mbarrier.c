/* mbarrier: arrivals, bytes of asynchronous copies, phases.
 *
 * The object's 8 bytes in memory only tell whether it was initialised, and take part in the checks
 * of accesses; what it counts lives beside them. An arrival releases what its warp did, a wait that
 * succeeds acquires it. Bytes that a copy brings arrive when somebody first looks at the barrier:
 * until then they count as uninitialised. */
#include "harness/ptx/x_mbarrier.h"

#include "harness/ptx/alu.h"
#include "harness/ptx/cluster.h"
#include "harness/ptx/known.h"
#include "harness/ptx/x_mem.h"

#include <stdlib.h>
#include <string.h>

enum { WORD = 4, OBJECT_BYTES = 8, MAX_COUNT = (1 << 20) - 1 };
enum {
    MBAR_INIT,
    MBAR_INVAL,
    MBAR_EXPECT_TX,
    MBAR_COMPLETE_TX,
    MBAR_ARRIVE,
    MBAR_ARRIVE_TX,
    MBAR_CP_ASYNC,
    MBAR_CP_ASYNC_NOINC
};

typedef struct mbar_form {
    u32 d, count; /* slots; PTX_NO_SLOT: none */
    bool drop, no_complete, relaxed, parity, may_sleep;
} mbar_form;

/* ---- deliveries ---- */

ptx_delivery *ptx_delivery_new(u32 to, u32 span, u32 bytes)
{
    u32 words = (span + WORD - 1) / WORD;
    ptx_delivery *d = ws_calloc(1, sizeof *d + (WORD + 1) * (size_t)words);
    d->to = to;
    d->span = span;
    d->bytes = bytes;
    d->live = d->data + WORD * (size_t)words;
    return d;
}

ptx_delivery *ptx_delivery_clone(const ptx_delivery *d)
{
    ptx_delivery *copy = ptx_delivery_new(d->to, d->span, d->bytes);
    memcpy(copy->data, d->data, d->span);
    memcpy(copy->live, d->live, (d->span + WORD - 1) / WORD);
    copy->reduces = d->reduces;
    copy->red = d->red;
    copy->element = d->element;
    return copy;
}

void ptx_delivery_include(ptx_delivery *d, u32 at, u32 bytes)
{
    memset(d->live + at / WORD, 1, bytes / WORD);
}

/* Calls for every stretch of bytes that go: copies them, or makes them count as unwritten. */
static void each_stretch(ptx_block *b, const ptx_delivery *d, bool arrives)
{
    for (u32 at = 0, end; at < d->span; at = end + WORD) {
        for (end = at; end < d->span && d->live[end / WORD]; end += WORD)
            ;
        if (end > at && arrives && d->reduces)
            ptx_reduce(d->red, d->element, 0, b->shared + d->to + at, d->data + at, end - at);
        else if (end > at && arrives)
            memcpy(b->shared + d->to + at, d->data + at, end - at);
        if (!d->reduces)
            memset(b->shared_state + d->to + at, arrives ? PTX_INIT | PTX_WRITTEN : 0, end - at);
    }
}

void ptx_mbarrier_deliver(ptx_warp *w, ptx_mbarrier *m, ptx_delivery *d)
{
    ptx_race_release(w, &m->arriving);
    each_stretch(m->block, d, false);
    ptx_known_forget(w, m->block, d->to, d->span);
    *m->last = d;
    m->last = &d->next;
}

static void complete_phase(ptx_mbarrier *m)
{
    if (m->pending || m->tx)
        return;
    m->phase++;
    m->pending = m->expected;
    ptx_past_join(&m->done, &m->arriving);
    ptx_past_clear(&m->arriving);
}

static void take_deliveries(ptx_block *b, ptx_mbarrier *m)
{
    if (!m->first)
        return;
    for (ptx_delivery *d = m->first, *next; d; d = next) {
        next = d->next;
        m->tx -= d->bytes;
        each_stretch(b, d, true);
        free(d);
    }
    m->first = NULL;
    m->last = &m->first;
    complete_phase(m);
}

/* ---- objects ---- */

static void drop_deliveries(ptx_mbarrier *m)
{
    for (ptx_delivery *d = m->first, *next; d; d = next) {
        next = d->next;
        free(d);
    }
    m->first = NULL;
    m->last = &m->first;
}

bool ptx_mbarriers_end(ptx_block *b)
{
    for (const ptx_mbarrier *m = b->mbarriers; m && b->shared_shadow; m = m->next)
        for (const ptx_delivery *d = m->first; d; d = d->next) {
            if (!d->insn)
                continue;
            ptx_fault_simple(&b->warp[d->warp], d->insn, d->lane, HX_SHARED_RACE,
                             "race: the bulk copy to byte %u of shared memory may still be under way when its "
                             "block ends: nobody waited for it at the mbarrier; made", d->to);
            return false;
        }
    return true;
}

void ptx_mbarriers_free(ptx_block *b)
{
    for (ptx_mbarrier *m = b->mbarriers, *next; m; m = next) {
        next = m->next;
        drop_deliveries(m);
        free(m);
    }
    b->mbarriers = NULL;
}

static ptx_mbarrier *find(const ptx_block *b, u64 addr)
{
    ptx_mbarrier *m = b->mbarriers;
    while (m && m->addr != addr)
        m = m->next;
    return m;
}

static bool watch(ptx_warp *w, const ptx_insn *i, u32 lane, ptx_block *b, u64 addr, bool read, bool write,
                  bool strong)
{
    u64 all[PTX_LANES] = {0};
    all[lane] = addr;
    ptx_access x = {.insn = i,
                    .space = PTX_SPACE_SHARED,
                    .mask = 1u << lane,
                    .size = OBJECT_BYTES,
                    .read = read,
                    .write = write,
                    .atomic = strong,
                    .strong = strong,
                    .is_object = true,
                    .block = b,
                    .addr = all};
    return ptx_watch(w, &x);
}

bool ptx_shared_offset(ptx_warp *w, const ptx_insn *i, u32 lane, u64 *addr)
{
    ptx_block *b = ptx_shared_target(w, i, lane, addr);
    if (b && b != w->block)
        ptx_fault_simple(w, i, (int)lane, HX_ILLEGAL, "illegal: %.*s takes an address of the block's shared memory",
                         WS_STR_ARG(i->ast->part[0]));
    return b == w->block;
}

ptx_mbarrier *ptx_mbarrier_in(ptx_warp *w, const ptx_insn *i, u32 lane, ptx_block *b, u64 addr, bool changes)
{
    if (!watch(w, i, lane, b, addr, true, changes, true))
        return NULL;
    ptx_mbarrier *m = find(b, addr);
    if (!m)
        ptx_fault_sync(w, i, (int)lane, HX_ILLEGAL, "Barrier is not initialized",
                         "illegal: no mbarrier was initialised at byte %llu of shared memory",
                         (unsigned long long)addr);
    return m;
}

ptx_mbarrier *ptx_mbarrier_beside(ptx_warp *w, const ptx_insn *i, u32 lane, const ptx_insn *at, u64 *to,
                                  const ptx_insn *bar_at, u64 bar)
{
    ptx_block *b = ptx_shared_target(w, at, lane, to);
    ptx_block *beside = b ? ptx_shared_target(w, bar_at, lane, &bar) : NULL;
    if (!beside)
        return NULL;
    if (b == beside)
        return ptx_mbarrier_in(w, i, lane, b, bar, true);
    ptx_fault_simple(w, i, (int)lane, HX_ILLEGAL,
                     "illegal: %.*s with an mbarrier in the shared memory of another block than its target",
                     WS_STR_ARG(i->ast->part[0]));
    return NULL;
}

static bool set_up(ptx_warp *w, const ptx_insn *i, u32 lane, u64 addr, u32 count)
{
    static const u64 word = 0;
    if (count < 1 || count > MAX_COUNT) {
        ptx_fault_sync(w, i, (int)lane, HX_ILLEGAL, "Invalid arguments", "illegal: mbarrier.init for %u arrivals",
                         count);
        return false;
    }
    if (!watch(w, i, lane, w->block, addr, false, true, false))
        return false;
    ptx_mbarrier *m = find(w->block, addr);
    if (!m) {
        m = ws_calloc(1, sizeof *m);
        m->next = w->block->mbarriers;
        w->block->mbarriers = m;
        m->last = &m->first;
    }
    if (m->pending != m->expected || m->tx || m->first) {
        ptx_fault_sync(w, i, (int)lane, HX_ILLEGAL, "Barrier is already initialized",
                       "illegal: mbarrier.init at byte %llu of shared memory, where an mbarrier waits for %u more "
                       "arrivals",
                       (unsigned long long)addr, m->pending);
        return false;
    }
    m->block = w->block;
    m->addr = (u32)addr;
    m->expected = m->pending = count;
    m->tx = 0;
    m->phase = 0;
    memset(&m->arriving, 0, sizeof m->arriving);
    memset(&m->done, 0, sizeof m->done);
    memcpy(w->block->shared + addr, &word, sizeof word);
    return true;
}

static bool tear_down(ptx_warp *w, const ptx_insn *i, u32 lane, u64 addr)
{
    if (!ptx_mbarrier_in(w, i, lane, w->block, addr, true))
        return false;
    for (ptx_mbarrier **at = &w->block->mbarriers; *at; at = &(*at)->next)
        if ((*at)->addr == addr) {
            ptx_mbarrier *m = *at;
            *at = m->next;
            drop_deliveries(m);
            free(m);
            break;
        }
    return true;
}

/* What test_wait and pending_count take: the phase and what is pending in it. */
static u64 token(const ptx_mbarrier *m)
{
    return (u64)(m->phase & 1) << 63 | 1ull << 62 | m->pending;
}

/* A phase orders what was done before its arrivals and after its waits. */
static u64 order_address(const ptx_mbarrier *m)
{
    return PTX_WINDOW_SHARED + ((u64)m->block->rank << PTX_RANK_SHIFT) + m->addr;
}

static void release(ptx_warp *w, ptx_mbarrier *m)
{
    ptx_race_release(w, &m->arriving);
    ptx_order_barrier(w, order_address(m), true);
}

static void acquire(ptx_warp *w, const ptx_mbarrier *m)
{
    ptx_race_acquire(w, &m->done);
    ptx_order_barrier(w, order_address(m), false);
}

static bool arrive(ptx_warp *w, const ptx_insn *i, u32 lane, ptx_mbarrier *m, u32 count)
{
    const mbar_form *f = i->aux;
    if (count < 1 || count > m->pending) {
        ptx_fault_sync(w, i, (int)lane, HX_ILLEGAL, "Barrier arrival count overflow",
                         "illegal: %u arrivals at an mbarrier that waits for %u more in this phase",
                         count, m->pending);
        return false;
    }
    if (f->drop)
        m->expected -= count;
    m->pending -= count;
    w->worker->counters.mbarrier_arrivals += count;
    if (!f->relaxed)
        release(w, m);
    if (f->no_complete && !m->pending && !m->tx) {
        ptx_fault_sync(w, i, (int)lane, HX_ILLEGAL, "Invalid arguments",
                         "illegal: an arrival with .noComplete completes the phase");
        return false;
    }
    complete_phase(m);
    return true;
}

/* ---- handlers ---- */

static bool change(ptx_warp *w, const ptx_insn *i, u32 lane, ptx_block *b, u64 addr, u32 count)
{
    const mbar_form *f = i->aux;
    if (i->op == MBAR_INIT)
        return set_up(w, i, lane, addr, count);
    if (i->op == MBAR_INVAL)
        return tear_down(w, i, lane, addr);
    ptx_mbarrier *m = ptx_mbarrier_in(w, i, lane, b, addr, true);
    if (!m)
        return false;
    u64 before = token(m);
    bool good = true;
    switch (i->op) {
    case MBAR_EXPECT_TX:
        m->tx += count;
        break;
    case MBAR_COMPLETE_TX:
        m->tx -= count;
        complete_phase(m);
        break;
    case MBAR_ARRIVE_TX:
        m->tx += count;
        good = arrive(w, i, lane, m, 1);
        break;
    case MBAR_CP_ASYNC: /* counts one arrival more, which it makes itself */
        m->pending++;
        good = arrive(w, i, lane, m, 1);
        break;
    default:
        good = arrive(w, i, lane, m, count);
    }
    if (f->d != PTX_NO_SLOT)
        OUT(u64, f->d)[lane] = before;
    return good;
}

static void x_change(ptx_warp *w, const ptx_insn *i)
{
    const mbar_form *f = i->aux;
    u64 addr[PTX_LANES] __attribute__((aligned(64)));
    u32 lanes = w->exec;
    if (i->op >= MBAR_CP_ASYNC && !ptx_async_finish(w))
        return;
    ptx_mem_addresses(w, i, addr);
    bool own_only = i->op == MBAR_INIT || i->op == MBAR_INVAL || i->op >= MBAR_CP_ASYNC || f->d != PTX_NO_SLOT;
    EACH_SET(l, lanes)
    {
        ptx_block *b = ptx_shared_target(w, i, l, &addr[l]);
        if (b && b != w->block && own_only) {
            ptx_fault_sync(w, i, (int)l, HX_ILLEGAL, "Invalid arguments",
                           "illegal: %.*s.%.*s in this form is for an mbarrier of the block itself",
                           WS_STR_ARG(i->ast->part[0]), WS_STR_ARG(i->ast->part[1]));
            return;
        }
        if (!b || !change(w, i, l, b, addr[l], f->count != PTX_NO_SLOT ? IN(u32, f->count)[l] : 1))
            return;
    }
}

/* Whether the phase is over: the one that the token is of, or the latest of the parity. */
static bool is_over(const ptx_warp *w, const ptx_insn *i, u32 lane, const ptx_mbarrier *m)
{
    const mbar_form *f = i->aux;
    if (f->parity)
        return (m->phase & 1) != (IN(u32, f->count)[lane] & 1);
    return (m->phase & 1) != IN(u64, f->count)[lane] >> 63;
}

static void x_wait(ptx_warp *w, const ptx_insn *i)
{
    const mbar_form *f = i->aux;
    u64 addr[PTX_LANES] __attribute__((aligned(64)));
    u32 over = 0, first = (u32)__builtin_ctz(w->exec);
    ptx_mem_addresses(w, i, addr);
    EACH_SET(l, w->exec)
    {
        if (!ptx_shared_offset(w, i, l, &addr[l]))
            return;
        ptx_mbarrier *m = ptx_mbarrier_in(w, i, l, w->block, addr[l], false);
        if (!m)
            return;
        take_deliveries(w->block, m);
        if (!is_over(w, i, l, m))
            continue;
        over |= 1u << l;
        if (!f->relaxed)
            acquire(w, m);
    }
    ptx_set_pred(w, f->d, over);
    if (over == w->exec)
        return;
    ptx_warp_poll(w, i, addr[first]);
    if (f->may_sleep && !over)
        ptx_warp_end_turn(w);
}

static void x_pending_count(ptx_warp *w, const ptx_insn *i)
{
    const u64 *state = IN(u64, i->a);
    EACH_SET(l, w->exec) OUT(u32, i->d)[l] = (u32)state[l] & MAX_COUNT;
}

/* ---- decoding ---- */

static void decode_space(const ptx_ast_insn *a, ptx_insn *i)
{
    i->space = ptx_has(a, "shared::cluster")                         ? PTX_SPACE_CLUSTER
               : ptx_has(a, "shared") || ptx_has(a, "shared::cta") ? PTX_SPACE_SHARED
                                                                     : PTX_SPACE_GENERIC;
}

static bool decode_wait(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i, mbar_form *f)
{
    f->may_sleep = ws_str_eqz(a->part[1], "try_wait");
    f->parity = ptx_has(a, "parity");
    i->run = x_wait;
    return ptx_alu_pred_dst(d, &a->operand[0], &f->d) && ptx_address(d, &a->operand[1], i) &&
           ptx_alu_src(d, &a->operand[2], f->parity ? PTX_b32 : PTX_b64, &f->count);
}

static bool decode_arrive(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i, mbar_form *f)
{
    bool tx = ptx_has(a, "expect_tx");
    i->op = tx ? MBAR_ARRIVE_TX : MBAR_ARRIVE;
    f->drop = ws_str_eqz(a->part[1], "arrive_drop");
    f->no_complete = ptx_has(a, "noComplete");
    if (a->operand[0].kind != PTX_OPD_SINK && !ptx_alu_dst(d, &a->operand[0], 8, &f->d))
        return false;
    return ptx_address(d, &a->operand[1], i) &&
           (a->n_operands == 2 || ptx_alu_src(d, &a->operand[2], PTX_b32, &f->count));
}

static bool decode_mbarrier(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    static const char *const plain[] = {[MBAR_INIT] = "init",
                                        [MBAR_INVAL] = "inval",
                                        [MBAR_EXPECT_TX] = "expect_tx",
                                        [MBAR_COMPLETE_TX] = "complete_tx"};
    mbar_form *f = WS_ARENA_NEW(ptx_decoder_arena(d), mbar_form, 1);
    f->d = f->count = PTX_NO_SLOT;
    f->relaxed = ptx_has(a, "relaxed");
    i->aux = f;
    i->run = x_change;
    decode_space(a, i);
    if (ws_str_eqz(a->part[1], "pending_count")) {
        i->run = x_pending_count;
        return ptx_alu_operands(d, a, i);
    }
    if (ws_str_eqz(a->part[1], "test_wait") || ws_str_eqz(a->part[1], "try_wait"))
        return decode_wait(d, a, i, f);
    if (ws_str_eqz(a->part[1], "arrive") || ws_str_eqz(a->part[1], "arrive_drop"))
        return decode_arrive(d, a, i, f);
    for (u8 op = MBAR_INIT; op <= MBAR_COMPLETE_TX; op++)
        if (ws_str_eqz(a->part[1], plain[op])) {
            i->op = op;
            return ptx_address(d, &a->operand[0], i) &&
                   (op == MBAR_INVAL || ptx_alu_src(d, &a->operand[1], PTX_b32, &f->count));
        }
    return false;
}

/* cp.async.mbarrier.arrive: the arrival comes when the lane's copies are done, which here is at
 * once. */
static bool decode_cp_arrive(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    mbar_form *f = WS_ARENA_NEW(ptx_decoder_arena(d), mbar_form, 1);
    f->d = f->count = PTX_NO_SLOT;
    i->aux = f;
    i->op = ptx_has(a, "noinc") ? MBAR_CP_ASYNC_NOINC : MBAR_CP_ASYNC;
    i->run = x_change;
    decode_space(a, i);
    return ptx_address(d, &a->operand[0], i);
}

const ptx_op_row ptx_ops_mbarrier[] = {
    {"mbarrier.init{.(shared shared::cta)}.b64 [a], b:u32", decode_mbarrier, 0, PTX_UNIT_BARRIER},
    {"mbarrier.inval{.(shared shared::cta)}.b64 [a]", decode_mbarrier, 0, PTX_UNIT_BARRIER},
    {"mbarrier.expect_tx{.relaxed.(cta cluster)}{.(shared shared::cta shared::cluster)}.b64 [a], b:u32",
     decode_mbarrier, 0, PTX_UNIT_BARRIER},
    {"mbarrier.complete_tx{.relaxed.(cta cluster)}{.(shared shared::cta shared::cluster)}.b64 [a], b:u32",
     decode_mbarrier, 0, PTX_UNIT_BARRIER},
    {"mbarrier.arrive{.(release relaxed).(cta cluster)}{.(shared shared::cta)}.b64 d, [a]{, b:u32}",
     decode_mbarrier, 0, PTX_UNIT_BARRIER},
    {"mbarrier.arrive.expect_tx{.(release relaxed).(cta cluster)}{.(shared shared::cta)}.b64 d, [a], b:u32",
     decode_mbarrier, 0, PTX_UNIT_BARRIER},
    {"mbarrier.arrive.noComplete{.release.cta}{.(shared shared::cta)}.b64 d, [a], b:u32",
     decode_mbarrier, 0, PTX_UNIT_BARRIER},
    {"mbarrier.arrive_drop{.(release relaxed).(cta cluster)}{.(shared shared::cta)}.b64 d, [a]{, b:u32}",
     decode_mbarrier, 0, PTX_UNIT_BARRIER},
    {"mbarrier.arrive_drop.expect_tx{.(release relaxed).(cta cluster)}{.(shared shared::cta)}.b64 d, [a], b:u32",
     decode_mbarrier, 0, PTX_UNIT_BARRIER},
    {"mbarrier.arrive_drop.noComplete{.release.cta}{.(shared shared::cta)}.b64 d, [a], b:u32",
     decode_mbarrier, 0, PTX_UNIT_BARRIER},
    {"mbarrier.(arrive arrive_drop){.(release relaxed).(cta cluster)}.shared::cluster.b64 _, [a]{, b:u32}",
     decode_mbarrier, 0, PTX_UNIT_BARRIER},
    {"mbarrier.(arrive arrive_drop).expect_tx{.(release relaxed).(cta cluster)}.shared::cluster.b64 _, [a], b:u32",
     decode_mbarrier, 0, PTX_UNIT_BARRIER},
    {"mbarrier.test_wait{.(acquire relaxed).(cta cluster)}{.(shared shared::cta)}.b64 p, [a], b",
     decode_mbarrier, 0, PTX_UNIT_BARRIER},
    {"mbarrier.test_wait.parity{.(acquire relaxed).(cta cluster)}{.(shared shared::cta)}.b64 p, [a], b:u32",
     decode_mbarrier, 0, PTX_UNIT_BARRIER},
    {"mbarrier.try_wait{.(acquire relaxed).(cta cluster)}{.(shared shared::cta)}.b64 p, [a], b{, c:u32}",
     decode_mbarrier, 0, PTX_UNIT_BARRIER},
    {"mbarrier.try_wait.parity{.(acquire relaxed).(cta cluster)}{.(shared shared::cta)}.b64 p, [a], b:u32{, c:u32}",
     decode_mbarrier, 0, PTX_UNIT_BARRIER},
    {"mbarrier.pending_count.b64 d:u32, a", decode_mbarrier, 0, PTX_UNIT_BARRIER},
    {"cp.async.mbarrier.arrive{.noinc}{.(shared shared::cta)}.b64 [a]",
     decode_cp_arrive, 0, PTX_UNIT_BARRIER},
    {0},
};
