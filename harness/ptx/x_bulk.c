/* cp.async.bulk: copies of whole ranges by one thread; reductions of shared into global memory.
 *
 * Ranges are checked, and read, when the instruction is executed. What comes to shared memory
 * arrives when somebody looks at the barrier (x_mbarrier.c) and counts as uninitialised until then;
 * what goes to global memory is written at once, so that bulk groups have nothing to wait for. */
#include "harness/ptx/alu.h"
#include "harness/ptx/half.h"
#include "harness/ptx/x_matrix.h"
#include "harness/ptx/x_mbarrier.h"
#include "harness/ptx/x_mem.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 16 };
enum { BULK_LOAD, BULK_STORE, BULK_REDUCE };
enum { RED_ADD, RED_MIN, RED_MAX, RED_AND, RED_OR, RED_XOR, RED_INC, RED_DEC, RED_COUNT };

typedef struct bulk_form {
    ptx_insn to, from, bar; /* the addresses, as instructions of their own */
    u32 size;               /* slot */
    u8 red;
    ptx_type type; /* of a reduction */
} bulk_form;

/* ---- checks ---- */

/* A range as accesses of `piece` bytes. Lanes stand for pieces where that cannot be seen: inside
 * one allocation. */
static bool watch_range(ptx_warp *w, const ptx_insn *i, ptx_space space, u32 lane, u64 addr,
                        u32 bytes, u32 piece, bool write, bool atomic)
{
    const ptx_alloc *a =
        space == PTX_SPACE_GLOBAL ? ptx_memory_find(w->worker->grid->mem, addr) : NULL;
    u64 end = space == PTX_SPACE_GLOBAL ? (a ? a->hi : 0) : w->worker->grid->shared_bytes;
    u32 wide = addr < end && bytes <= end - addr ? PTX_LANES : 1;
    for (u32 at = 0; at < bytes; at += wide * piece) {
        u64 all[PTX_LANES] __attribute__((aligned(64)));
        u32 left = (bytes - at) / piece, n = left < wide ? left : wide;
        EACH_LANE(l) all[l] = addr + at + (wide > 1 ? (u32)l * piece : 0);
        ptx_access x = {.insn = i,
                        .space = space,
                        .size = piece,
                        .write = write,
                        .read = !write || atomic,
                        .atomic = atomic,
                        .strong = atomic,
                        .addr = all};
        x.mask = wide == 1 ? 1u << lane : n == PTX_LANES ? PTX_FULL : (1u << n) - 1;
        if (!ptx_watch(w, &x))
            return false;
    }
    return true;
}

static bool check_alignment(ptx_warp *w, const ptx_insn *i, u32 lane, u64 to, u64 from, u32 size)
{
    if (size % PIECE) {
        ptx_fault_simple(w, i, (int)lane, HX_ILLEGAL,
                         "illegal: a bulk copy of %u bytes, which is no multiple of %d", size,
                         PIECE);
        return false;
    }
    if ((to | from) % PIECE) {
        ptx_fault_simple(
            w, i, (int)lane, HX_MISALIGNED,
            "misaligned: a bulk copy from 0x%llx to 0x%llx, both must be multiples of %d",
            (unsigned long long)from, (unsigned long long)to, PIECE);
        return false;
    }
    return true;
}

/* ---- global to shared ---- */

static bool load(ptx_warp *w, const ptx_insn *i, u32 lane, u64 to, u64 from, u32 size, u64 bar)
{
    const bulk_form *f = i->aux;
    if (!ptx_shared_offset(w, &f->to, lane, &to) || !ptx_shared_offset(w, &f->bar, lane, &bar) ||
        !check_alignment(w, i, lane, to, from, size) ||
        !watch_range(w, i, PTX_SPACE_GLOBAL, lane, from, size, PIECE, false, false) ||
        !watch_range(w, i, PTX_SPACE_SHARED, lane, to, size, PIECE, true, false))
        return false;
    ptx_mbarrier *m = ptx_mbarrier_at(w, i, lane, bar, true);
    if (!m)
        return false;
    if (!size)
        return true;
    ptx_delivery *d = ws_malloc(sizeof *d + size);
    *d = (ptx_delivery){.to = (u32)to, .bytes = size};
    memcpy(d->data, (const void *)(uintptr_t)from, size);
    memset(w->block->shared_state + to, 0, size);
    ptx_mbarrier_deliver(w, m, d);
    return true;
}

/* ---- shared to global ---- */

static bool store(ptx_warp *w, const ptx_insn *i, u32 lane, u64 to, u64 from, u32 size)
{
    const bulk_form *f = i->aux;
    if (!ptx_shared_offset(w, &f->from, lane, &from) ||
        !check_alignment(w, i, lane, to, from, size) ||
        !watch_range(w, i, PTX_SPACE_SHARED, lane, from, size, PIECE, false, false) ||
        !watch_range(w, i, PTX_SPACE_GLOBAL, lane, to, size, PIECE, true, false))
        return false;
    memcpy((void *)(uintptr_t)to, w->block->shared + from, size);
    return true;
}

static u64 combine_int(u8 red, bool is_signed, u64 a, u64 b)
{
    bool less = is_signed ? (s64)a < (s64)b : a < b;
    switch (red) {
    case RED_ADD:
        return a + b;
    case RED_MIN:
        return less ? a : b;
    case RED_MAX:
        return less ? b : a;
    case RED_AND:
        return a & b;
    case RED_OR:
        return a | b;
    case RED_XOR:
        return a ^ b;
    case RED_INC:
        return a >= b ? 0 : a + 1;
    default:
        return a == 0 || a > b ? b : a - 1;
    }
}

static u64 combine(const bulk_form *f, u64 a, u64 b)
{
    switch (f->type) {
    case PTX_f32: {
        f32 x = fp_of_bits((u32)a), y = fp_of_bits((u32)b);
        return fp_bits(fp_canon(x + y));
    }
    case PTX_f64:
        return fp_bits64(fp_of_bits64(a) + fp_of_bits64(b));
    case PTX_f16:
    case PTX_bf16: {
        bool bf = f->type == PTX_bf16;
        f32 x = bf ? fp_of_bits((u32)a << 16) : (f32)ws_f16_to_f64((u16)a),
            y = bf ? fp_of_bits((u32)b << 16) : (f32)ws_f16_to_f64((u16)b);
        f32 v = f->red == RED_ADD ? x + y : f->red == RED_MIN ? fp_min(x, y) : fp_max(x, y);
        return half_round(v, bf, PTX_RN);
    }
    case PTX_s32:
        return combine_int(f->red, true, (u64)(s64)(s32)a, (u64)(s64)(s32)b);
    default:
        return combine_int(f->red, f->type == PTX_s64, a, b);
    }
}

/* Other host threads may reduce into the same word. */
#define REDUCE(T)                                                                                  \
    static void reduce_##T(const bulk_form *f, T *to, const T *from, u32 n)                        \
    {                                                                                              \
        for (u32 k = 0; k < n; k++) {                                                              \
            T old = __atomic_load_n(&to[k], __ATOMIC_RELAXED), next;                               \
            do                                                                                     \
                next = (T)combine(f, old, from[k]);                                                \
            while (!__atomic_compare_exchange_n(&to[k], &old, next, false, __ATOMIC_RELAXED,       \
                                                __ATOMIC_RELAXED));                                \
        }                                                                                          \
    }
REDUCE(u16)
REDUCE(u32)
REDUCE(u64)

static bool reduce(ptx_warp *w, const ptx_insn *i, u32 lane, u64 to, u64 from, u32 size)
{
    const bulk_form *f = i->aux;
    u32 each = ptx_type_bytes(f->type);
    if (!ptx_shared_offset(w, &f->from, lane, &from) ||
        !check_alignment(w, i, lane, to, from, size) ||
        !watch_range(w, i, PTX_SPACE_SHARED, lane, from, size, PIECE, false, false) ||
        !watch_range(w, i, PTX_SPACE_GLOBAL, lane, to, size, each < 4 ? 4 : each, true, true))
        return false;
    void *d = (void *)(uintptr_t)to;
    const void *s = w->block->shared + from;
    if (each == 2)
        reduce_u16(f, d, s, size / 2);
    else if (each == 4)
        reduce_u32(f, d, s, size / 4);
    else
        reduce_u64(f, d, s, size / 8);
    return true;
}

static void x_bulk(ptx_warp *w, const ptx_insn *i)
{
    const bulk_form *f = i->aux;
    u64 to[PTX_LANES] __attribute__((aligned(64))), from[PTX_LANES] __attribute__((aligned(64)));
    u64 bar[PTX_LANES] __attribute__((aligned(64))) = {0};
    const u32 *size = IN(u32, f->size);
    ptx_mem_addresses(w, &f->to, to);
    ptx_mem_addresses(w, &f->from, from);
    if (i->op == BULK_LOAD)
        ptx_mem_addresses(w, &f->bar, bar);
    EACH_SET(l, w->exec)
    if (!(i->op == BULK_LOAD    ? load(w, i, l, to[l], from[l], size[l], bar[l])
          : i->op == BULK_STORE ? store(w, i, l, to[l], from[l], size[l])
                                : reduce(w, i, l, to[l], from[l], size[l])))
        return;
}

static void x_nothing(ptx_warp *w, const ptx_insn *i)
{
    (void)w;
    (void)i;
}

/* ---- decoding ---- */

static bool set_address(ptx_decoder *d, const ptx_ast_insn *a, const ptx_operand *o, ptx_insn *to,
                        ptx_space space)
{
    to->ast = a;
    to->space = (uint8_t)space;
    return ptx_address(d, o, to);
}

static bool decode_reduction(const ptx_ast_insn *a, bulk_form *f)
{
    static const char *const names[RED_COUNT] = {"add", "min", "max", "and",
                                                 "or",  "xor", "inc", "dec"};
    f->type = ptx_last_type(a);
    f->red = RED_COUNT;
    for (u8 r = 0; r < RED_COUNT; r++)
        f->red = ptx_has(a, names[r]) ? r : f->red;
    switch (f->type) {
    case PTX_f16:
    case PTX_bf16:
        return f->red <= RED_MAX;
    case PTX_f32:
    case PTX_f64:
        return f->red == RED_ADD;
    case PTX_u32:
    case PTX_s32:
    case PTX_u64:
    case PTX_s64:
        return f->red < RED_COUNT;
    case PTX_b32:
    case PTX_b64:
        return f->red >= RED_AND && f->red <= RED_XOR;
    default:
        return false;
    }
}

static bool decode_transfer(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i, ws_str to,
                            ws_str from)
{
    bulk_form *f = WS_ARENA_NEW(ptx_decoder_arena(d), bulk_form, 1);
    bool load_it = ws_str_eqz(from, "global") &&
                   (ws_str_eqz(to, "shared::cta") || ws_str_eqz(to, "shared::cluster"));
    bool store_it = ws_str_eqz(to, "global") && ws_str_eqz(from, "shared::cta");
    bool reduces = ws_str_eqz(a->part[1], "reduce");
    if (!load_it && !store_it)
        return false;
    i->op = load_it ? BULK_LOAD : reduces ? BULK_REDUCE : BULK_STORE;
    i->esize = PIECE;
    i->vec = 1;
    i->aux = f;
    i->run = x_bulk;
    int extra = (ptx_has(a, "L2::cache_hint") ? 1 : 0) + (ptx_has(a, "multicast::cluster") ? 1 : 0);
    if (a->n_operands != (load_it ? 4 : 3) + extra || ptx_has(a, "cp_mask") ||
        (reduces && (load_it || !decode_reduction(a, f))))
        return false;
    if (load_it ? !ptx_has(a, "mbarrier::complete_tx::bytes") : !ptx_has(a, "bulk_group"))
        return false;
    return set_address(d, a, &a->operand[0], &f->to,
                       load_it ? PTX_SPACE_SHARED : PTX_SPACE_GLOBAL) &&
           set_address(d, a, &a->operand[1], &f->from,
                       load_it ? PTX_SPACE_GLOBAL : PTX_SPACE_SHARED) &&
           ptx_alu_src(d, &a->operand[2], PTX_b32, &f->size) &&
           (!load_it || set_address(d, a, &a->operand[3], &f->bar, PTX_SPACE_SHARED));
}

static bool decode_bulk(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    int at = ws_str_eqz(a->part[1], "reduce") ? 2 : 1;
    if (a->n_parts < at + 3 || !ws_str_eqz(a->part[at], "async") ||
        !ws_str_eqz(a->part[at + 1], "bulk"))
        return false;
    ws_str next = a->part[at + 2];
    if (ws_str_eqz(next, "commit_group") || ws_str_eqz(next, "wait_group") ||
        (ws_str_eqz(next, "prefetch") && !ptx_has(a, "tensor"))) {
        i->run = x_nothing;
        i->unit = PTX_UNIT_OTHER;
        return true;
    }
    return a->n_parts >= at + 5 && decode_transfer(d, a, i, next, a->part[at + 3]);
}

const ptx_op_row ptx_ops_bulk[] = {
    {"cp.* ...", decode_bulk, 0, PTX_UNIT_MEM},
    {NULL, NULL, 0, 0},
};
