/* Clusters: their barrier, addresses in the shared memory of their blocks; and hints to the
 * cache. */
#include "harness/ptx/alu.h"
#include "harness/ptx/cluster.h"
#include "harness/ptx/x_matrix.h"

#include <string.h>

enum { CLUSTER_ALIGNED = 1, CLUSTER_RELAXED = 2 };

/* With .aligned all threads of the warp come together. */
static bool is_together(ptx_warp *w, const ptx_insn *i)
{
    if (!(i->op & CLUSTER_ALIGNED) || !(w->live & ~w->exec))
        return true;
    ptx_warp_wait(w, PTX_WAIT_LANES, w->live);
    return false;
}

static void x_arrive(ptx_warp *w, const ptx_insn *i)
{
    if (!is_together(w, i))
        return;
    struct ptx_cluster *c = ptx_cluster_of(w->block);
    u32 *arrived = &c->arrived[w->block->rank][w->id], *waited = &c->waited[w->block->rank][w->id];
    u32 twice = (*arrived | *waited) & w->exec;
    if (twice) {
        ptx_fault_sync(w, i, __builtin_ctz(twice), HX_ILLEGAL, "Invalid arguments",
                       "illegal: a thread arrives twice at the cluster's barrier "
                       "without a wait between");
        return;
    }
    *arrived |= w->exec;
    *waited |= w->exec;
    bool *fenced = &c->fenced[w->block->rank][w->id];
    if (!(i->op & CLUSTER_RELAXED) || *fenced) {
        ptx_race_release(w, &c->arriving);
        ptx_order_cluster(w, true);
        *fenced = false;
    }
    ptx_cluster_complete(c);
}

static void x_wait(ptx_warp *w, const ptx_insn *i)
{
    if (!is_together(w, i))
        return;
    struct ptx_cluster *c = ptx_cluster_of(w->block);
    u32 *waited = &c->waited[w->block->rank][w->id], never = w->exec & ~*waited;
    if (never) {
        ptx_fault_sync(w, i, __builtin_ctz(never), HX_ILLEGAL, "Invalid arguments",
                       "illegal: a thread waits at the cluster's barrier without having arrived");
        return;
    }
    ptx_cluster_complete(c); /* threads may have exited */
    if (c->arrived[w->block->rank][w->id] & w->exec) {
        ptx_warp_wait(w, PTX_WAIT_CLUSTER, 0);
        return;
    }
    *waited &= ~w->exec;
    ptx_race_acquire(w, &c->done);
    ptx_order_cluster(w, false);
}

/* selector: x_arrive or x_wait */
static bool decode_barrier(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    (void)d;
    i->run = ptx_has(a, "arrive") ? x_arrive : x_wait;
    i->op = (u8)((ptx_has(a, "aligned") ? CLUSTER_ALIGNED : 0) |
                 (ptx_has(a, "relaxed") ? CLUSTER_RELAXED : 0));
    return true;
}

/* ---- addresses ---- */

static bool is_shared_address(ptx_warp *w, const ptx_insn *i, u32 lane, u64 *addr)
{
    if (i->space != PTX_SPACE_GENERIC)
        return true;
    if (*addr >> PTX_WINDOW_SHIFT == PTX_WINDOW_SHARED >> PTX_WINDOW_SHIFT) {
        *addr -= PTX_WINDOW_SHARED;
        return true;
    }
    ptx_fault_simple(w, i, (int)lane, HX_ILLEGAL, "illegal: %.*s takes an address of shared memory",
                     WS_STR_ARG(i->ast->part[0]));
    return false;
}

static u64 address_in(const ptx_warp *w, const ptx_insn *i, u32 lane)
{
    return i->esize == 8 ? IN(u64, i->a)[lane] : IN(u32, i->a)[lane];
}

static void x_mapa(ptx_warp *w, const ptx_insn *i)
{
    const u32 *rank = IN(u32, i->b);
    u64 window = i->space == PTX_SPACE_GENERIC ? PTX_WINDOW_SHARED : 0;
    u32 n = w->worker->grid->cluster_blocks, lanes = w->exec;
    EACH_SET(l, lanes)
    {
        u64 addr = address_in(w, i, l);
        if (!is_shared_address(w, i, l, &addr))
            return;
        if (rank[l] >= n) {
            ptx_fault_simple(w, i, (int)l, HX_ILLEGAL,
                             "illegal: mapa to block rank %u of a cluster of %u", rank[l], n);
            return;
        }
        u64 offset = addr & ((1u << PTX_RANK_SHIFT) - 1);
        addr = window + (((u64)rank[l] + 1) << PTX_RANK_SHIFT) + offset;
        if (i->esize == 8)
            OUT(u64, i->d)[l] = addr;
        else
            OUT(u32, i->d)[l] = (u32)addr;
    }
}

static void x_getctarank(ptx_warp *w, const ptx_insn *i)
{
    u32 lanes = w->exec;
    EACH_SET(l, lanes)
    {
        u64 addr = address_in(w, i, l);
        if (!is_shared_address(w, i, l, &addr))
            return;
        u64 tag = addr >> PTX_RANK_SHIFT;
        OUT(u32, i->d)[l] = tag ? (u32)tag - 1 : w->block->rank;
    }
}

/* selector: mapa */
static bool decode_address(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->space = ptx_has(a, "shared::cluster") ? PTX_SPACE_CLUSTER : PTX_SPACE_GENERIC;
    i->esize = (u8)ptx_type_bytes(i->match->last);
    i->run = i->op ? x_mapa : x_getctarank;
    return ptx_alu_operands(d, a, i);
}

/* ---- hints ---- */

/* Cache policies are hints: any value does. */
static void x_policy(ptx_warp *w, const ptx_insn *i)
{
    LANES_DENSE(u64, OUT(u64, i->d), 0);
}

static bool decode_createpolicy(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->run = x_policy;
    return ptx_alu_dst(d, &a->operand[0], 8, &i->d);
}

const ptx_op_row ptx_ops_cluster[] = {
    {"barrier.cluster.arrive{.(release relaxed)}{.aligned}", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"barrier.cluster.wait{.acquire}{.aligned}", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"mapa{.shared::cluster}.(u32 u64) d, a, b:u32", decode_address, 1, PTX_UNIT_I32},
    {"getctarank{.shared::cluster}.(u32 u64) d:u32, a", decode_address, 0, PTX_UNIT_I32},
    {"createpolicy.fractional.$policy{.$policy2}.b64 d{, a:f32}", decode_createpolicy, 0,
     PTX_UNIT_OTHER},
    {"createpolicy.range{.global}.$policy{.$policy2}.b64 d, [a], b:u32, c:u32", decode_createpolicy,
     0, PTX_UNIT_OTHER},
    {"createpolicy.cvt.L2.b64 d, a", decode_createpolicy, 0, PTX_UNIT_OTHER},
    {0},
};
