/* st.async, red.async: stores to the shared memory of the cluster that an mbarrier counts; st.bulk:
 * zeros. */
#include "harness/ptx/alu.h"
#include "harness/ptx/bulk.h"
#include "harness/ptx/cluster.h"
#include "harness/ptx/x_matrix.h"
#include "harness/ptx/x_mbarrier.h"
#include "harness/ptx/x_mem.h"

#include <string.h>

enum { MAX_VEC = 4, MAX_BULK = 16 << 20, ZEROS = 8 };

typedef struct async_form {
    ptx_insn to, bar; /* the addresses, as instructions of their own */
    u32 slot[MAX_VEC], size; /* size: slot, of st.bulk */
    int n;
    bool reduces;
    ptx_red red;
    ptx_type type;
} async_form;

/* ---- with an mbarrier ---- */

static bool send(ptx_warp *w, const ptx_insn *i, u32 lane, u64 to, u64 bar)
{
    const async_form *f = i->aux;
    u32 each = ptx_type_bytes(f->type), bytes = each * (u32)f->n;
    ptx_mbarrier *m = ptx_mbarrier_beside(w, i, lane, &f->to, &to, &f->bar, bar);
    if (!m)
        return false;
    ptx_pieces p = {.w = w, .i = i, .lane = lane, .space = PTX_SPACE_SHARED, .block = m->block,
                    .write = true,
                    .atomic = f->reduces};
    if (to % bytes) {
        ptx_fault_simple(w, i, (int)lane, HX_MISALIGNED,
                         "misaligned: %.*s of %u bytes at byte %llu of shared memory",
                         WS_STR_ARG(i->ast->text), bytes, (unsigned long long)to);
        return false;
    }
    if (!ptx_pieces_add(&p, to, bytes, each, NULL) || !ptx_pieces_flush(&p))
        return false;
    ptx_delivery *d = ptx_delivery_new((u32)to, bytes, bytes);
    for (int e = 0; e < f->n; e++)
        memcpy(d->data + (u32)e * each, IN(u8, f->slot[e]) + (size_t)lane * each, each);
    ptx_delivery_include(d, 0, bytes);
    d->reduces = f->reduces;
    d->red = f->red;
    d->element = f->type;
    ptx_mbarrier_deliver(w, m, d);
    return true;
}

static void x_send(ptx_warp *w, const ptx_insn *i)
{
    const async_form *f = i->aux;
    u64 to[PTX_LANES] __attribute__((aligned(64))), bar[PTX_LANES] __attribute__((aligned(64)));
    ptx_mem_addresses(w, &f->to, to);
    ptx_mem_addresses(w, &f->bar, bar);
    EACH_SET(l, w->exec)
    if (!send(w, i, l, to[l], bar[l]))
        return;
}

static bool decode_send(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    async_form *f = WS_ARENA_NEW(ptx_decoder_arena(d), async_form, 1);
    ptx_space space = ptx_has(a, "shared::cluster") ? PTX_SPACE_CLUSTER : PTX_SPACE_GENERIC;
    f->type = i->match->last;
    f->n = ptx_has(a, "v2") ? 2 : ptx_has(a, "v4") ? 4 : 1;
    f->reduces = i->op;
    f->red = ptx_red_find(a);
    f->to.ast = f->bar.ast = a;
    f->to.space = f->bar.space = (uint8_t)space;
    i->esize = (uint8_t)ptx_type_bytes(f->type);
    i->vec = 1;
    i->aux = f;
    i->run = x_send;
    return ptx_address(d, &a->operand[0], &f->to) && ptx_address(d, &a->operand[2], &f->bar) &&
           ptx_vec_slots(d, &a->operand[1], ptx_type_bytes(f->type), false, f->slot, f->n);
}

/* ---- st.bulk ---- */

static bool clear(ptx_warp *w, const ptx_insn *i, u32 lane, u64 to, u64 bytes)
{
    static const u8 zeros[4096];
    if (bytes % ZEROS || bytes > MAX_BULK || !ptx_shared_offset(w, i, lane, &to)) {
        if (bytes % ZEROS || bytes > MAX_BULK)
            ptx_fault_simple(w, i, (int)lane, HX_ILLEGAL,
                             "illegal: st.bulk of %llu bytes, allowed are multiples of %d up to %d",
                             (unsigned long long)bytes, ZEROS, MAX_BULK);
        return false;
    }
    ptx_pieces p = {.w = w, .i = i, .lane = lane, .space = PTX_SPACE_SHARED, .write = true};
    for (u64 at = 0; at < bytes; at += sizeof zeros)
        if (!ptx_pieces_add(&p, to + at,
                            (u32)(bytes - at < sizeof zeros ? bytes - at : sizeof zeros), ZEROS,
                            zeros))
            return false;
    if (!ptx_pieces_flush(&p))
        return false;
    memset(w->block->shared + to, 0, bytes);
    return true;
}

static void x_clear(ptx_warp *w, const ptx_insn *i)
{
    const async_form *f = i->aux;
    u64 to[PTX_LANES] __attribute__((aligned(64)));
    ptx_mem_addresses(w, i, to);
    EACH_SET(l, w->exec)
    if (!clear(w, i, l, to[l], IN(u64, f->size)[l]))
        return;
}

static bool decode_clear(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    async_form *f = WS_ARENA_NEW(ptx_decoder_arena(d), async_form, 1);
    i->space = ptx_has(a, "shared::cta") ? PTX_SPACE_SHARED : PTX_SPACE_GENERIC;
    i->esize = ZEROS;
    i->vec = 1;
    i->aux = f;
    i->run = x_clear;
    return a->operand[2].imm == 0 && ptx_address(d, &a->operand[0], i) &&
           ptx_alu_src(d, &a->operand[1], PTX_b64, &f->size);
}

#define DONE ".mbarrier::complete_tx::bytes"
#define RED  "red.async.relaxed.cluster{.shared::cluster}" DONE
const ptx_op_row ptx_ops_st_async[] = {
    {"st.async{.(weak cluster)}{.shared::cluster}" DONE "{.(v2 v4)}.(b32 u32 s32 f32) [a], {b}, [c]",
     decode_send, 0, PTX_UNIT_MEM},
    {"st.async{.(weak cluster)}{.shared::cluster}" DONE "{.v2}.(b64 u64 s64 f64) [a], {b}, [c]",
     decode_send, 0, PTX_UNIT_MEM},
    {RED ".add.(u32 s32 u64) [a], b, [c]", decode_send, 1, PTX_UNIT_MEM},
    {RED ".(min max).(u32 s32) [a], b, [c]", decode_send, 1, PTX_UNIT_MEM},
    {RED ".(inc dec).u32 [a], b, [c]", decode_send, 1, PTX_UNIT_MEM},
    {RED ".(and or xor).b32 [a], b, [c]", decode_send, 1, PTX_UNIT_MEM},
    {"st.bulk{.weak}{.shared::cta} [a], b:u64, #c(0-0)", decode_clear, 0, PTX_UNIT_MEM},
    {0},
};
