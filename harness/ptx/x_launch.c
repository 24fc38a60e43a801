/* clusterlaunchcontrol (PTX ISA 9.7.13.17, 9.7.13.18): a block takes over the work of a cluster
 * that has not started. The answer has the place of the cluster's first block in the grid, and a
 * last word that says whether there was one. */
#include "harness/ptx/alu.h"
#include "harness/ptx/bulk.h"
#include "harness/ptx/cluster.h"
#include "harness/ptx/x_matrix.h"
#include "harness/ptx/x_mbarrier.h"
#include "harness/ptx/x_mem.h"

#include <string.h>

enum { ANSWER_BYTES = 16, TAKEN = 1 };

typedef struct cancel_form {
    ptx_insn to, bar; /* the addresses, as instructions of their own */
    bool to_all;      /* blocks of the cluster */
} cancel_form;

typedef struct answer_word {
    u32 slot[4];
    u32 at; /* of one that is asked for alone */
} answer_word;

/* The blocks that get the answer, each with its mbarrier at the same place; 0: a fault was
 * reported. */
static u32 receivers(ptx_warp *w, const ptx_insn *i, u32 lane, u64 *to, u64 bar,
                     ptx_mbarrier *out[PTX_MAX_CLUSTER])
{
    const cancel_form *f = i->aux;
    u32 n = f->to_all ? w->worker->grid->cluster_blocks : 1;
    ptx_block *own = ptx_shared_target(w, &f->to, lane, to);
    if (!own || !ptx_shared_target(w, &f->bar, lane, &bar))
        return 0;
    if (*to % ANSWER_BYTES) {
        ptx_fault_simple(w, i, (int)lane, HX_MISALIGNED,
                         "misaligned: %.*s of 16 bytes at byte %llu of shared memory",
                         WS_STR_ARG(i->ast->part[0]), (unsigned long long)*to);
        return 0;
    }
    for (u32 r = 0; r < n; r++) {
        ptx_block *b = n == 1 ? own : ptx_cluster_block(w, i, lane, r);
        ptx_pieces p = {.w = w, .i = i, .lane = lane, .space = PTX_SPACE_SHARED, .block = b,
                        .write = true};
        if (!b || !(out[r] = ptx_mbarrier_in(w, i, lane, b, bar, true)) ||
            !ptx_pieces_add(&p, *to, ANSWER_BYTES, ANSWER_BYTES, NULL) || !ptx_pieces_flush(&p))
            return 0;
    }
    return n;
}

static bool request(ptx_warp *w, const ptx_insn *i, u32 lane, u64 to, u64 bar)
{
    ptx_grid *g = w->worker->grid;
    ptx_mbarrier *m[PTX_MAX_CLUSTER];
    u32 unit = 0, turn = 0, answer[4] = {0}, n = receivers(w, i, lane, &to, bar, m);
    if (!n)
        return false;
    if (ptx_unit_next(g, &unit, &turn)) {
        u32 block = ptx_block_index(g, unit, 0);
        answer[0] = block % g->grid[0];
        answer[1] = block / g->grid[0] % g->grid[1];
        answer[2] = block / g->grid[0] / g->grid[1];
        answer[3] = TAKEN;
    }
    for (u32 r = 0; r < n; r++) {
        ptx_delivery *d = ptx_delivery_new((u32)to, ANSWER_BYTES, ANSWER_BYTES);
        memcpy(d->data, answer, sizeof answer);
        ptx_delivery_include(d, 0, ANSWER_BYTES);
        ptx_mbarrier_deliver(w, m[r], d);
    }
    return true;
}

static void x_try_cancel(ptx_warp *w, const ptx_insn *i)
{
    const cancel_form *f = i->aux;
    u64 to[PTX_LANES] __attribute__((aligned(64))), bar[PTX_LANES] __attribute__((aligned(64)));
    ptx_mem_addresses(w, &f->to, to);
    ptx_mem_addresses(w, &f->bar, bar);
    EACH_SET(l, w->exec)
        if (!request(w, i, l, to[l], bar[l]))
            return;
}

static bool decode_try_cancel(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    cancel_form *f = WS_ARENA_NEW(ptx_decoder_arena(d), cancel_form, 1);
    ptx_space space = ptx_has(a, "shared::cta") ? PTX_SPACE_SHARED : PTX_SPACE_GENERIC;
    ptx_decoder_program(d)->takes_units = true;
    f->to_all = ptx_has(a, "multicast::cluster::all");
    f->to.ast = f->bar.ast = a;
    f->to.space = f->bar.space = (u8)space;
    i->esize = ANSWER_BYTES;
    i->vec = 1;
    i->aux = f;
    i->run = x_try_cancel;
    return ptx_address(d, &a->operand[0], &f->to) && ptx_address(d, &a->operand[1], &f->bar);
}

/* ---- what the answer says ---- */

static u32 word_of(const ptx_warp *w, const ptx_insn *i, u32 lane, u32 at)
{
    u32 v;
    memcpy(&v, IN(u8, i->a) + (size_t)ANSWER_BYTES * lane + 4 * at, sizeof v);
    return v;
}

static void x_is_canceled(ptx_warp *w, const ptx_insn *i)
{
    u32 taken = 0;
    EACH_LANE(l) taken |= (u32)(word_of(w, i, (u32)l, 3) == TAKEN) << l;
    ptx_set_pred(w, i->d, taken);
}

/* The fourth element of the vector is anything. */
static void x_first_ctaid(ptx_warp *w, const ptx_insn *i)
{
    const answer_word *f = i->aux;
    for (u32 e = 0; e < i->vec; e++)
        EACH_SET(l, w->exec) OUT(u32, f->slot[e])[l] = word_of(w, i, l, f->at + e);
}

static bool decode_query(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    answer_word *f = WS_ARENA_NEW(ptx_decoder_arena(d), answer_word, 1);
    bool asks = ptx_has(a, "is_canceled");
    f->at = ptx_has(a, "get_first_ctaid::y") ? 1 : ptx_has(a, "get_first_ctaid::z") ? 2 : 0;
    i->vec = ptx_has(a, "v4") ? 4 : 1;
    i->aux = f;
    i->run = asks ? x_is_canceled : x_first_ctaid;
    return ptx_alu_src(d, &a->operand[1], PTX_b128, &i->a) &&
           (asks ? ptx_alu_pred_dst(d, &a->operand[0], &i->d)
                 : ptx_vec_slots(d, &a->operand[0], 4, true, f->slot, i->vec));
}

#define DONE ".mbarrier::complete_tx::bytes"
const ptx_op_row ptx_ops_launch[] = {
    {"clusterlaunchcontrol.try_cancel.async{.shared::cta}" DONE "{.multicast::cluster::all}.b128 "
                                                                "[a], [b]",
     decode_try_cancel, 0, PTX_UNIT_MEM},
    {"clusterlaunchcontrol.query_cancel.is_canceled.pred.b128 p, a", decode_query, 0,
     PTX_UNIT_SELECT},
    {"clusterlaunchcontrol.query_cancel.get_first_ctaid.v4.b32.b128 {d}:b32, a", decode_query, 0,
     PTX_UNIT_SELECT},
    {"clusterlaunchcontrol.query_cancel.(get_first_ctaid::x get_first_ctaid::y "
     "get_first_ctaid::z).b32.b128 d:b32, a", decode_query, 0, PTX_UNIT_SELECT},
    {0},
};
