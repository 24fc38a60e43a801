/* Control flow: branches, returns, barriers, fences, trap. */
#include "harness/ptx/alu.h"
#include "harness/ptx/cluster.h"
#include "harness/ptx/lanes.h"
#include "harness/ptx/race.h"

#include <string.h>

/* ---- branches ---- */

static void x_bra(ptx_warp *w, const ptx_insn *i)
{
    ptx_warp_branch(w, i->target);
}

static bool decode_bra(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    (void)d;
    if (a->operand[0].kind != PTX_OPD_LABEL)
        return false;
    i->target = (u32)a->operand[0].target;
    i->run = x_bra;
    return true;
}

/* Indexed branch: the lanes go to their targets one target after the other. */
static void x_brx(ptx_warp *w, const ptx_insn *i)
{
    const ptx_operand *list = i->aux;
    const u32 *index = IN(u32, i->a);
    u32 pending = w->exec, chosen[PTX_LANES];
    memcpy(chosen, index, sizeof chosen);
    while (pending) {
        u32 first = (u32)__builtin_ctz(pending), same = 0;
        if (chosen[first] >= (u32)list->n_targets) {
            ptx_fault_simple(w, i, (int)first, HX_ILLEGAL,
                             "illegal: brx.idx with index %u of %d targets", chosen[first],
                             list->n_targets);
            return;
        }
        EACH_SET(l, pending) same |= chosen[l] == chosen[first] ? 1u << l : 0;
        pending &= ~same;
        ptx_warp_send(w, same, (u32)list->targets[chosen[first]]);
    }
}

static bool decode_brx(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->aux = &a->operand[1];
    i->run = x_brx;
    return a->operand[1].kind == PTX_OPD_TARGETS && ptx_alu_operands(d, a, i);
}

static void x_ret(ptx_warp *w, const ptx_insn *i)
{
    (void)i;
    ptx_warp_return(w);
}

static void x_exit(ptx_warp *w, const ptx_insn *i)
{
    (void)i;
    ptx_warp_exit(w);
}

static bool decode_ret(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    bool leaves = ws_str_eqz(a->part[0], "exit") || ptx_decoder_func(d)->is_entry;
    i->flags |= leaves ? PTX_IF_EXIT : 0;
    i->run = ws_str_eqz(a->part[0], "exit") ? x_exit : x_ret;
    return true;
}

static void x_trap(ptx_warp *w, const ptx_insn *i)
{
    ptx_fault_simple(w, i, __builtin_ctz(w->exec), HX_TRAP, "trap executed");
}

static bool decode_trap(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    (void)d;
    (void)a;
    i->run = x_trap;
    return true;
}

/* ---- barriers of a block ---- */

static u32 group_value(const ptx_group *g, u32 slot)
{
    u32 v;
    memcpy(&v, g->frame->regs + slot + 4 * (size_t)__builtin_ctz(g->mask), 4);
    return v;
}

static const ptx_barrier *barrier_of(const ptx_group *g)
{
    return g->frame->code->insn[g->pc].aux;
}

u32 ptx_barrier_id(const ptx_group *g)
{
    return group_value(g, barrier_of(g)->id) % PTX_BARRIERS;
}

u32 ptx_barrier_threads(const ptx_group *g)
{
    return barrier_of(g)->count == PTX_NO_SLOT ? 0 : group_value(g, barrier_of(g)->count);
}

void ptx_barrier_finish(const ptx_group *g, u32 value)
{
    const ptx_barrier *b = barrier_of(g);
    if (b->op != PTX_BAR_POPC) {
        g->frame->pred[b->d] = (g->frame->pred[b->d] & ~g->mask) | (value ? g->mask : 0);
    } else if (b->d != PTX_NO_SLOT) {
        for (u32 left = g->mask; left; left &= left - 1)
            memcpy(g->frame->regs + b->d + 4 * (size_t)__builtin_ctz(left), &value, 4);
    }
}

static void x_barrier(ptx_warp *w, const ptx_insn *i)
{
    const ptx_barrier *b = i->aux;
    u32 first = (u32)__builtin_ctz(w->exec), id = IN(u32, b->id)[first];
    if (id >= PTX_BARRIERS) {
        ptx_fault_sync(w, i, (int)first, HX_ILLEGAL, "Invalid arguments",
                       "illegal: barrier %u, there are %d", id, PTX_BARRIERS);
        return;
    }
    u32 threads = b->count == PTX_NO_SLOT ? 0 : IN(u32, b->count)[first];
    if (threads % PTX_LANES || (b->op == PTX_BAR_ARRIVE && !threads)) {
        ptx_fault_sync(w, i, (int)first, HX_ILLEGAL, "Invalid arguments",
                       "illegal: barrier %u for %u threads, which is no multiple of %d", id, threads, PTX_LANES);
        return;
    }
    if (b->op == PTX_BAR_ARRIVE) {
        ptx_race_arrive(w, id);
        ptx_barrier_arrive(w, id, threads);
        return;
    }
    w->barrier_reduces |= b->op >= PTX_BAR_AND;
    if (b->op >= PTX_BAR_AND)
        w->barrier_votes |= (w->pred[b->pred] ^ (b->pred_neg ? PTX_FULL : 0)) & w->exec;
    ptx_warp_wait(w, PTX_WAIT_BARRIER, 0);
}

static void decode_barrier_op(const ptx_ast_insn *a, ptx_barrier *b)
{
    if (ptx_has(a, "sync"))
        b->op = PTX_BAR_SYNC;
    else if (ptx_has(a, "arrive"))
        b->op = PTX_BAR_ARRIVE;
    else
        b->op = ptx_has(a, "popc") ? PTX_BAR_POPC : ptx_has(a, "and") ? PTX_BAR_AND : PTX_BAR_OR;
    b->aligned = ws_str_eqz(a->part[0], "bar") || ptx_has(a, "aligned");
}

/* Constant numbers of the barrier and of its threads, operands `at` to `last`. */
static bool barrier_numbers_fit(const ptx_ast_insn *a, int at, int last)
{
    const ptx_operand *id = &a->operand[at], *threads = last - at == 2 ? &a->operand[at + 1] : NULL;
    return !(id->kind == PTX_OPD_IMM && (uint64_t)id->imm >= PTX_BARRIERS) &&
           !(threads && threads->kind == PTX_OPD_IMM && threads->imm % PTX_LANES);
}

static bool decode_barrier(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    ptx_barrier *b = WS_ARENA_NEW(ptx_decoder_arena(d), ptx_barrier, 1);
    decode_barrier_op(a, b);
    bool reduces = b->op >= PTX_BAR_AND;
    int at = reduces ? 1 : 0, last = reduces ? a->n_operands - 1 : a->n_operands;
    b->count = PTX_NO_SLOT;
    i->aux = b;
    i->run = x_barrier;
    if (!barrier_numbers_fit(a, at, last) || !ptx_alu_src(d, &a->operand[at], PTX_u32, &b->id) ||
        (last - at == 2 && !ptx_alu_src(d, &a->operand[at + 1], PTX_u32, &b->count)))
        return false;
    if (!reduces)
        return true;
    if (!ptx_alu_pred_src(d, &a->operand[last], &b->pred, &b->pred_neg))
        return false;
    return b->op == PTX_BAR_POPC ? ptx_alu_dst(d, &a->operand[0], 4, &b->d)
                                 : ptx_alu_pred_dst(d, &a->operand[0], &b->d);
}

/* ---- fences, sleep ---- */

static void x_fence(ptx_warp *w, const ptx_insn *i)
{
    ptx_order_fence(w, ptx_is_narrow(i));
    if (!ptx_is_narrow(i))
        ptx_cluster_fence(w);
}

/* Between what threads and what bulk copies do to shared memory. */
static void x_fence_proxy(ptx_warp *w, const ptx_insn *i)
{
    ptx_race_proxy_fence(w);
    if (i->op)
        ptx_cluster_fence(w);
}

/* The other proxies are in order here. */
static bool decode_proxy(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    (void)d;
    const bool async = ptx_has(a, "async") || ptx_has(a, "async::generic");
    i->op = ptx_has(a, "release") && ptx_has(a, "cluster");
    i->run = async && !ptx_has(a, "global") ? x_fence_proxy : ptx_nop;
    return true;
}

static bool decode_fence(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->run = x_fence;
    if (ptx_has(a, "proxy"))
        return decode_proxy(d, a, i);
    if (ptx_has(a, "mbarrier_init")) { /* what it orders is in order here */
        i->run = ptx_nop;
        return true;
    }
    if (ptx_has(a, "cta") || ptx_has(a, "cluster"))
        ptx_decoder_program(d)->has_local_fence = true;
    else
        ptx_decoder_program(d)->has_fence = true;
    i->mods = ptx_has(a, "cta") ? PTX_SCOPE_CTA : 0;
    return true;
}

/* A sleeping warp gives the others their turn. */
static void x_nanosleep(ptx_warp *w, const ptx_insn *i)
{
    w->poll = i;
    ptx_warp_end_turn(w);
}

static bool decode_nanosleep(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    (void)d;
    (void)a;
    i->run = x_nanosleep;
    return true;
}

const ptx_op_row ptx_ops_ctl[] = {
    {"bra{.uni} @l", decode_bra, 0, PTX_UNIT_BRANCH},
    {"brx.idx{.uni} a:u32, @l", decode_brx, 0, PTX_UNIT_BRANCH},
    {"ret{.uni}", decode_ret, 0, PTX_UNIT_BRANCH},
    {"exit", decode_ret, 0, PTX_UNIT_BRANCH},
    {"trap", decode_trap, 0, PTX_UNIT_BRANCH},
    {"bar{.cta}.sync a:u32{, b:u32}", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"bar{.cta}.arrive a:u32, b:u32", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"bar{.cta}.red.popc.u32 d, a, !b", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"bar{.cta}.red.popc.u32 d, a, b, !c", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"bar{.cta}.red.(and or).pred p, a:u32, !b", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"bar{.cta}.red.(and or).pred p, a:u32, b:u32, !c", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"barrier{.cta}.sync{.aligned} a:u32{, b:u32}", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"barrier{.cta}.arrive{.aligned} a:u32, b:u32", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"barrier{.cta}.red.popc{.aligned}.u32 d, a, !b", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"barrier{.cta}.red.popc{.aligned}.u32 d, a, b, !c", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"barrier{.cta}.red.(and or){.aligned}.pred p, a:u32, !b", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"barrier{.cta}.red.(and or){.aligned}.pred p, a:u32, b:u32, !c",
     decode_barrier, 0, PTX_UNIT_BARRIER},
    {"membar.(cta gl sys)", decode_fence, 0, PTX_UNIT_BARRIER},
    {"membar.proxy.alias", decode_fence, 0, PTX_UNIT_BARRIER},
    {"fence{.(sc acq_rel acquire release)}.$scope", decode_fence, 0, PTX_UNIT_BARRIER},
    {"fence.mbarrier_init.release.cluster", decode_fence, 0, PTX_UNIT_BARRIER},
    {"fence.acquire.sync_restrict::shared::cluster.cluster", decode_fence, 0, PTX_UNIT_BARRIER},
    {"fence.release.sync_restrict::shared::cta.cluster", decode_fence, 0, PTX_UNIT_BARRIER},
    {"fence.proxy.async::generic.acquire.sync_restrict::shared::cluster.cluster", decode_fence, 0, PTX_UNIT_BARRIER},
    {"fence.proxy.async::generic.release.sync_restrict::shared::cta.cluster", decode_fence, 0, PTX_UNIT_BARRIER},
    {"fence.proxy.alias", decode_fence, 0, PTX_UNIT_BARRIER},
    {"fence.proxy.async{.(global shared::cta shared::cluster)}",
     decode_fence, 0, PTX_UNIT_BARRIER},
    {"nanosleep.u32 a", decode_nanosleep, 0, PTX_UNIT_OTHER},
    {"griddepcontrol.(launch_dependents wait)", ptx_decode_nop, 0, PTX_UNIT_OTHER},
    {"brkpt", ptx_decode_nop, 0, PTX_UNIT_OTHER},
    {"pmevent #a(0-15)", ptx_decode_nop, 0, PTX_UNIT_OTHER},
    {"pmevent.mask #a", ptx_decode_nop, 0, PTX_UNIT_OTHER},
    {0},
};
