/* cp.async.bulk: copies of whole ranges by one thread; reductions of shared memory into global
 * memory. */
#include "harness/ptx/alu.h"
#include "harness/ptx/bulk.h"
#include "harness/ptx/cluster.h"
#include "harness/ptx/field_step.h"
#include "harness/ptx/x_mbarrier.h"
#include "harness/ptx/x_mem.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 16 };
/* SEND: from the block's own shared memory to that of the cluster; SEND_REDUCE: into it */
enum { BULK_LOAD, BULK_SEND, BULK_SEND_REDUCE, BULK_STORE, BULK_REDUCE, BULK_PREFETCH };

typedef struct bulk_form {
    ptx_insn to, from, bar; /* the addresses, as instructions of their own */
    u32 size;               /* slot */
    u32 byte_mask;          /* slot of .cp_mask; PTX_NO_SLOT: all bytes */
    u32 cta_mask;           /* slot; PTX_NO_SLOT: no multicast */
    ptx_red red;
    ptx_type type;          /* of a reduction */
} bulk_form;

typedef struct range { /* of one lane */
    ptx_warp *w;
    const ptx_insn *i;
    const bulk_form *f;
    u64 to, from, bar;
    u32 lane, size;
} range;

static bool check_alignment(const range *r)
{
    if (r->size % PIECE) {
        ptx_fault_simple(r->w, r->i, (int)r->lane, HX_ILLEGAL,
                         "illegal: a bulk copy of %u bytes, which is no multiple of %d", r->size,
                         PIECE);
        return false;
    }
    if ((r->to | r->from) % PIECE) {
        ptx_fault_simple(
            r->w, r->i, (int)r->lane, HX_MISALIGNED,
            "misaligned: a bulk copy from 0x%llx to 0x%llx, both must be multiples of %d",
            (unsigned long long)r->from, (unsigned long long)r->to, PIECE);
        return false;
    }
    return true;
}

static bool watch(const range *r, ptx_space space, u64 addr, bool write, bool atomic)
{
    return ptx_bulk_watch(r->w, r->i, space, r->lane, addr, r->size, write, atomic,
                          atomic ? ptx_type_bytes(r->f->type) : PIECE);
}

/* The bytes on their way to the block's shared memory. */
static bool deliver(const range *r, ptx_block *b, u64 to, ptx_mbarrier *m, const u8 *data)
{
    bool reduces = r->i->op == BULK_SEND_REDUCE;
    ptx_pieces p = {.w = r->w, .i = r->i, .lane = r->lane, .space = PTX_SPACE_SHARED, .block = b,
                    .write = true,
                    .atomic = reduces};
    if (!ptx_pieces_add(&p, to, r->size, reduces ? ptx_type_bytes(r->f->type) : PIECE, NULL) ||
        !ptx_pieces_flush(&p))
        return false;
    ptx_delivery *d = ptx_delivery_new((u32)to, r->size, r->size);
    memcpy(d->data, data, r->size);
    ptx_delivery_include(d, 0, r->size);
    d->reduces = reduces;
    d->red = r->f->red;
    d->element = r->f->type;
    if (m->block == r->w->block)
        ptx_delivery_sign(d, r->w, r->i, r->lane);
    ptx_mbarrier_deliver(r->w, m, d);
    return true;
}

static bool multicast(range *r, const u8 *data, u32 mask)
{
    if (!ptx_shared_target(r->w, &r->f->to, r->lane, &r->to) ||
        !ptx_shared_target(r->w, &r->f->bar, r->lane, &r->bar))
        return false;
    EACH_SET(rank, mask)
    {
        ptx_block *b = ptx_cluster_block(r->w, r->i, r->lane, rank);
        ptx_mbarrier *m = b ? ptx_mbarrier_in(r->w, r->i, r->lane, b, r->bar, true) : NULL;
        if (!m || !deliver(r, b, r->to, m, data))
            return false;
    }
    return true;
}

static bool load(range *r)
{
    const ptx_warp *w = r->w;
    bool global = r->i->op == BULK_LOAD;
    u64 to = r->to;
    if (!global && !ptx_shared_offset(r->w, &r->f->from, r->lane, &r->from))
        return false;
    if (!ptx_shared_target(r->w, &r->f->to, r->lane, &to))
        return false;
    range plain = *r;
    plain.to = to;
    if (!check_alignment(&plain) ||
        !watch(r, global ? PTX_SPACE_GLOBAL : PTX_SPACE_SHARED, r->from, false, false))
        return false;
    /* As numbers: without bytes, the place is any. */
    const u8 *data = (const u8 *)((global ? 0 : (uintptr_t)w->block->shared) + (uintptr_t)r->from);
    if (r->f->cta_mask != PTX_NO_SLOT)
        return multicast(r, data, IN(u16, r->f->cta_mask)[r->lane]);
    ptx_mbarrier *m =
        ptx_mbarrier_beside(r->w, r->i, r->lane, &r->f->to, &r->to, &r->f->bar, r->bar);
    return m && (!r->size || deliver(r, m->block, r->to, m, data));
}

/* Where the source in shared memory is; of no bytes, that may be anywhere. */
static const uint8_t *shared_at(const range *r)
{
    return (const uint8_t *)((uintptr_t)r->w->block->shared + (uintptr_t)r->from);
}

/* With .cp_mask, bit b says whether byte b of every 16 goes. */
static bool store_masked(const range *r, u32 mask)
{
    u8 *data = ws_malloc(r->size + 1);
    ptx_bulk_run *run = ws_malloc((r->size / 2 + 1) * sizeof *run);
    ptx_pieces p = {.w = r->w, .i = r->i, .lane = r->lane, .space = PTX_SPACE_GLOBAL,
                    .write = true};
    u32 n = 0;
    memcpy(data, shared_at(r), r->size);
    for (u32 at = 0, end; at < r->size; at = end + 1) {
        for (end = at; end < r->size && mask >> end % PIECE & 1; end++)
            ;
        if (end == at)
            continue;
        if (!ptx_pieces_add(&p, r->to + at, end - at, 1, data + at)) {
            free(data);
            free(run);
            return false;
        }
        run[n++] = (ptx_bulk_run){r->to + at, at, end - at};
    }
    if (!ptx_pieces_flush(&p)) {
        free(data);
        free(run);
        return false;
    }
    ptx_bulk_issue(r->w, r->i, r->lane, (u32)r->from, r->size, run, n, data);
    return true;
}

static bool store(range *r)
{
    const ptx_warp *w = r->w;
    if (!ptx_shared_offset(r->w, &r->f->from, r->lane, &r->from) || !check_alignment(r) ||
        !watch(r, PTX_SPACE_SHARED, r->from, false, false))
        return false;
    return store_masked(r, r->f->byte_mask == PTX_NO_SLOT ? 0xffff
                                                          : IN(u16, r->f->byte_mask)[r->lane]);
}

static bool reduce(range *r)
{
    const ptx_warp *w = r->w;
    if (!ptx_shared_offset(r->w, &r->f->from, r->lane, &r->from) || !check_alignment(r) ||
        !watch(r, PTX_SPACE_SHARED, r->from, false, false) ||
        !watch(r, PTX_SPACE_GLOBAL, r->to, true, true))
        return false;
    ptx_reduce(r->f->red, r->f->type, ptx_field_prime(w), (void *)(uintptr_t)r->to, shared_at(r),
               r->size);
    ptx_bulk_issue(r->w, r->i, r->lane, (u32)r->from, r->size, NULL, 0, NULL);
    return true;
}

static bool prefetch(const range *r)
{
    return check_alignment(r) && watch(r, PTX_SPACE_GLOBAL, r->from, false, false);
}

static void x_bulk(ptx_warp *w, const ptx_insn *i)
{
    const bulk_form *f = i->aux;
    u64 to[PTX_LANES] __attribute__((aligned(64))) = {0};
    u64 from[PTX_LANES] __attribute__((aligned(64))), bar[PTX_LANES] __attribute__((aligned(64))) =
    {0};
    const u32 *size = IN(u32, f->size);
    if (i->op != BULK_PREFETCH)
        ptx_mem_addresses(w, &f->to, to);
    ptx_mem_addresses(w, &f->from, from);
    if (i->op <= BULK_SEND_REDUCE)
        ptx_mem_addresses(w, &f->bar, bar);
    w->worker->counters.bulk_copies += (u64)__builtin_popcount(w->exec);
    EACH_SET(l, w->exec)
    {
        range r = {w, i, f, to[l], from[l], bar[l], l, size[l]};
        bool good = i->op <= BULK_SEND_REDUCE ? load(&r)
                    : i->op == BULK_STORE  ? store(&r)
                    : i->op == BULK_REDUCE ? reduce(&r)
                                           : prefetch(&r);
        if (!good)
            return;
    }
}

static void x_commit(ptx_warp *w, const ptx_insn *i)
{
    (void)i;
    ptx_bulk_commit(w, w->exec);
}

static void x_wait(ptx_warp *w, const ptx_insn *i)
{
    ptx_bulk_wait(w, w->exec, (u32)i->imm, i->op);
}

/* ---- decoding ---- */

static bool set_address(ptx_decoder *d, const ptx_ast_insn *a, const ptx_operand *o,
                        ptx_space space, ptx_insn *to)
{
    to->ast = a;
    to->space = (uint8_t)space;
    return ptx_address(d, o, to);
}

static bool decode_bulk(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    bulk_form *f = WS_ARENA_NEW(ptx_decoder_arena(d), bulk_form, 1);
    bool loads = i->op <= BULK_SEND_REDUCE, prefetches = i->op == BULK_PREFETCH,
         masked = ptx_has(a, "cp_mask");
    const ptx_operand *o = a->operand;
    i->esize = PIECE;
    i->vec = 1;
    i->aux = f;
    i->run = x_bulk;
    f->byte_mask = f->cta_mask = PTX_NO_SLOT;
    ptx_space space = ptx_has(a, "shared::cluster") ? PTX_SPACE_CLUSTER : PTX_SPACE_SHARED;
    bool from_global = i->op == BULK_LOAD || prefetches;
    f->type = i->match->last;
    f->red = ptx_red_find(a);
    if (!prefetches && !set_address(d, a, &o[0], loads ? space : PTX_SPACE_GLOBAL, &f->to))
        return false;
    if (!set_address(d, a, &o[prefetches ? 0 : 1],
                     from_global ? PTX_SPACE_GLOBAL : PTX_SPACE_SHARED, &f->from) ||
        !ptx_alu_src(d, &o[prefetches ? 1 : 2], PTX_b32, &f->size))
        return false;
    if (masked && !ptx_alu_src(d, &o[a->n_operands - 1], PTX_b16, &f->byte_mask))
        return false;
    if (ptx_has(a, "multicast::cluster") && !ptx_alu_src(d, &o[4], PTX_b16, &f->cta_mask))
        return false;
    return !loads || set_address(d, a, &o[3], space, &f->bar);
}

static bool decode_group(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    (void)d;
    i->run = a->n_operands ? x_wait : x_commit;
    i->op = ptx_has(a, "read");
    i->imm = a->n_operands ? a->operand[0].imm : 0;
    return i->imm >= 0 && i->imm <= INT32_MAX;
}

#define DONE ".mbarrier::complete_tx::bytes"
const ptx_op_row ptx_ops_bulk[] = {
    {"cp.async.bulk.(shared::cta shared::cluster).global" DONE "{.$cache_hint} [a], [b], c:u32, "
                                                               "[e], h",
     decode_bulk, BULK_LOAD, PTX_UNIT_MEM},
    {"cp.async.bulk.shared::cluster.global" DONE ".multicast::cluster{.$cache_hint} [a], [b], "
                                                 "c:u32, [e], f:b16"
     ", h",
     decode_bulk, BULK_LOAD, PTX_UNIT_MEM},
    {"cp.async.bulk.shared::cluster.shared::cta" DONE " [a], [b], c:u32, [e]", decode_bulk,
     BULK_SEND, PTX_UNIT_MEM},
    {"cp.reduce.async.bulk.shared::cluster.shared::cta" DONE ".add.(u32 s32 u64) [a], [b], c:u32, "
                                                             "[e]", decode_bulk,
     BULK_SEND_REDUCE, PTX_UNIT_MEM},
    {"cp.reduce.async.bulk.shared::cluster.shared::cta" DONE ".(min max).(u32 s32) [a], [b], "
                                                             "c:u32, [e]", decode_bulk,
     BULK_SEND_REDUCE, PTX_UNIT_MEM},
    {"cp.reduce.async.bulk.shared::cluster.shared::cta" DONE ".(inc dec).u32 [a], [b], c:u32, [e]",
     decode_bulk, BULK_SEND_REDUCE, PTX_UNIT_MEM},
    {"cp.reduce.async.bulk.shared::cluster.shared::cta" DONE ".(and or xor).b32 [a], [b], c:u32, "
                                                             "[e]", decode_bulk,
     BULK_SEND_REDUCE, PTX_UNIT_MEM},
    {"cp.async.bulk.global.shared::cta.bulk_group{.$cache_hint} [a], [b], c:u32, h", decode_bulk,
     BULK_STORE, PTX_UNIT_MEM},
    {"cp.async.bulk.global.shared::cta.bulk_group.cp_mask [a], [b], c:u32, e:b16", decode_bulk,
     BULK_STORE, PTX_UNIT_MEM},
    {"cp.async.bulk.global.shared::cta.bulk_group.L2::cache_hint.cp_mask [a], [b], c:u32, e:b64, "
     "f:b16", decode_bulk, BULK_STORE, PTX_UNIT_MEM},
    {"cp.reduce.async.bulk.global.shared::cta.bulk_group{.$cache_hint}.add.(u32 s32 u64 f32 f64) "
     "[a], [b], c:u32, h",
     decode_bulk, BULK_REDUCE, PTX_UNIT_MEM},
    {"cp.reduce.async.bulk.global.shared::cta.bulk_group{.$cache_hint}.(min max).(u32 s32 u64 s64) "
     "[a], [b], c:u32, h",
     decode_bulk, BULK_REDUCE, PTX_UNIT_MEM},
    {"cp.reduce.async.bulk.global.shared::cta.bulk_group{.$cache_hint}.(inc dec).u32 "
     "[a], [b], c:u32, h",
     decode_bulk, BULK_REDUCE, PTX_UNIT_MEM},
    {"cp.reduce.async.bulk.global.shared::cta.bulk_group{.$cache_hint}.(and or xor).(b32 b64) "
     "[a], [b], c:u32, h",
     decode_bulk, BULK_REDUCE, PTX_UNIT_MEM},
    {"cp.reduce.async.bulk.global.shared::cta.bulk_group{.$cache_hint}.(min max).(f16 bf16) [a], "
     "[b], c:u32"
     ", h",
     decode_bulk, BULK_REDUCE, PTX_UNIT_MEM},
    {"cp.reduce.async.bulk.global.shared::cta.bulk_group{.$cache_hint}.add.noftz.(f16 bf16) [a], "
     "[b], c:u32"
     ", h",
     decode_bulk, BULK_REDUCE, PTX_UNIT_MEM},
    {"cp.async.bulk.prefetch.L2.global{.$cache_hint} [a], b:u32, h", decode_bulk, BULK_PREFETCH,
     PTX_UNIT_MEM},
    {"cp.async.bulk.commit_group", decode_group, 0, PTX_UNIT_OTHER},
    {"cp.async.bulk.wait_group{.read} #a", decode_group, 0, PTX_UNIT_OTHER},
    {0},
};
