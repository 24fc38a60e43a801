/* Clusters of one block, which is what a launch has unless its kernel asks for more (that is
 * refused): their barrier, addresses in "another" block, and hints to the cache. */
#include "harness/ptx/alu.h"
#include "harness/ptx/x_matrix.h"

#include <stdlib.h>
#include <string.h>

/* A lane's bit stands from its arrival until all threads of the block that have not exited have
 * arrived. */
struct ptx_cluster {
    u32 arrived[PTX_LANES];                   /* per warp */
    u32 arriving[PTX_LANES], done[PTX_LANES]; /* what happened before, as ptx_warp.seen */
};

static struct ptx_cluster *cluster_of(ptx_block *b)
{
    if (!b->cluster)
        b->cluster = ws_calloc(1, sizeof *b->cluster);
    return b->cluster;
}

static void complete(const ptx_block *b, struct ptx_cluster *c)
{
    for (int n = 0; n < b->n_warps; n++)
        if (b->warp[n].live & ~c->arrived[n])
            return;
    memcpy(c->done, c->arriving, sizeof c->done);
    memset(c->arriving, 0, sizeof c->arriving);
    memset(c->arrived, 0, sizeof c->arrived);
}

static void x_arrive(ptx_warp *w, const ptx_insn *i)
{
    struct ptx_cluster *c = cluster_of(w->block);
    u32 twice = c->arrived[w->id] & w->exec;
    if (twice) {
        ptx_fault_sync(w, i, __builtin_ctz(twice), HX_ILLEGAL, "Invalid arguments",
                         "illegal: a thread arrives twice at the cluster's barrier "
                         "without a wait between");
        return;
    }
    c->arrived[w->id] |= w->exec;
    ptx_race_release(w, c->arriving);
    complete(w->block, c);
}

static void x_wait(ptx_warp *w, const ptx_insn *i)
{
    struct ptx_cluster *c = cluster_of(w->block);
    complete(w->block, c); /* threads may have exited */
    u32 late = c->arrived[w->id] & w->exec;
    if (!late) {
        ptx_race_acquire(w, c->done);
        return;
    }
    w->poll = i;
    ptx_warp_end_turn(w);
    ptx_warp_send(w, late, ptx_group_pc(w) - 1);
}

static bool decode_barrier(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    (void)d;
    i->run = ptx_has(a, "arrive") ? x_arrive : x_wait;
    return a->n_parts >= 3 && ws_str_eqz(a->part[1], "cluster") && a->n_operands == 0 &&
           (ptx_has(a, "arrive") || ptx_has(a, "wait"));
}

/* ---- addresses ---- */

static void x_mapa(ptx_warp *w, const ptx_insn *i)
{
    const u32 *rank = IN(u32, i->b);
    EACH_SET(l, w->exec)
    if (rank[l]) {
        ptx_fault_simple(w, i, (int)l, HX_ILLEGAL, "illegal: mapa to block %u of a cluster of one",
                         rank[l]);
        return;
    }
    if (i->esize == 8)
        LANES_DENSE(u64, OUT(u64, i->d), IN(u64, i->a)[l]);
    else
        LANES_DENSE(u32, OUT(u32, i->d), IN(u32, i->a)[l]);
}

static bool decode_mapa(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    ptx_type t = ptx_last_type(a);
    i->esize = (uint8_t)ptx_type_bytes(t);
    i->run = x_mapa;
    return (t == PTX_u32 || t == PTX_u64) && a->n_operands == 3 &&
           ptx_alu_dst(d, &a->operand[0], i->esize, &i->d) &&
           ptx_alu_src(d, &a->operand[1], t, &i->a) &&
           ptx_alu_src(d, &a->operand[2], PTX_u32, &i->b);
}

static void x_zero(ptx_warp *w, const ptx_insn *i)
{
    if (i->esize == 8)
        LANES_DENSE(u64, OUT(u64, i->d), 0);
    else
        LANES_DENSE(u32, OUT(u32, i->d), 0);
}

static bool decode_getctarank(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->esize = 4;
    i->run = x_zero;
    return a->n_operands == 2 && ptx_alu_dst(d, &a->operand[0], 4, &i->d);
}

/* Cache policies are hints: any value does. */
static bool decode_createpolicy(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->esize = 8;
    i->run = x_zero;
    return a->n_operands >= 1 && ptx_alu_dst(d, &a->operand[0], 8, &i->d);
}

const ptx_op_row ptx_ops_cluster[] = {
    {"barrier.* ...", decode_barrier, 0, PTX_UNIT_BARRIER},
    {"mapa.* ...", decode_mapa, 0, PTX_UNIT_I32},
    {"getctarank.* ...", decode_getctarank, 0, PTX_UNIT_I32},
    {"createpolicy.* ...", decode_createpolicy, 0, PTX_UNIT_OTHER},
    {NULL, NULL, 0, 0},
};
