/* wgmma: products of 64 x n by four warps, operands in shared memory.
 *
 * Each warp computes its own 16 rows when it executes the instruction; of fences, groups and waits
 * only the order is checked. The layouts of the operands in shared memory are those that CUTLASS's
 * mma_sm90_desc.hpp lists, in units of 16 bytes and with s = 16 * swizzled units: by k      line l,
 * unit u of k    l % 8 * s + l / 8 * SBO + u * 16      (no swizzle: s = 16, u * LBO) by lines  unit
 * u of lines, k     u % (s / 16) * 16 + u / (s / 16) * LBO + k % 8 * s + k / 8 * SBO (no swizzle: u
 * * SBO + k % 8 * 16 + k / 8 * LBO) */
#include "harness/ptx/alu.h"
#include "harness/ptx/field_step.h"
#include "harness/ptx/half.h"
#include "harness/ptx/x_matrix.h"
#include "harness/ptx/x_mma.h"

#include <string.h>

enum {
    MAX_N = 256,
    ROW_BYTES = 32 /* of k in one instruction */,
    SPARSE_ROW_BYTES = 64 /* of B when A is sparse */,
    UNIT = 16,
    MAX_D = 128,
    WARPS = 4
};

typedef struct wgmma_form {
    u32 n, k;
    mma_type a, b, d;
    bool a_in_registers, a_by_lines, b_by_lines, a_neg, b_neg, saturates;
    u32 desc_a, desc_b; /* slots */
    u32 slot_a[4], slot_d[MAX_D];
    u32 n_d;
    bool sparse; /* A has k / 2 elements a row */
    mma_form meta; /* where the others are, as mma.sp says it */
    u32 scale_d; /* predicate */
    bool scale_neg;
} wgmma_form;

typedef struct operand { /* of one warp: bytes of k, line by line */
    uint8_t line[MAX_N][SPARSE_ROW_BYTES] __attribute__((aligned(64)));
} operand;

/* ---- operands in shared memory ---- */

typedef struct descriptor {
    u32 start, lbo, sbo, swizzle; /* bytes; swizzle: bytes of a row, 16: none */
    bool has_base_offset;
} descriptor;

static descriptor decode_descriptor(u64 d)
{
    static const u32 rows[] = {16, 128, 64, 32};
    return (descriptor){(u32)(d & 0x3fff) << 4, (u32)(d >> 16 & 0x3fff) << 4,
                        (u32)(d >> 32 & 0x3fff) << 4, rows[d >> 62], (d >> 49 & 7) != 0};
}

/* Units of 16 bytes change places inside 8 rows. */
static u32 swizzled(const descriptor *d, u32 at)
{
    u32 units = d->swizzle / UNIT - 1;
    return at ^ ((at >> 7 & units) << 4);
}

static u32 unit_by_k(const descriptor *d, u32 line, u32 u)
{
    u32 per = d->swizzle / UNIT, along = u % per * UNIT + u / per * d->lbo;
    return swizzled(d, d->start + line % 8 * d->swizzle + line / 8 * d->sbo + along);
}

static u32 unit_by_lines(const descriptor *d, u32 u, u32 k)
{
    u32 per = d->swizzle / UNIT;
    if (per == 1)
        return d->start + u * d->sbo + k % 8 * UNIT + k / 8 * d->lbo;
    return swizzled(d, d->start + u % per * UNIT + u / per * d->lbo + k % 8 * d->swizzle +
                           k / 8 * d->sbo);
}

/* 32 units at a time, so that lanes stand for units. */
static bool watch(ptx_warp *w, const ptx_insn *i, const u64 addr[PTX_LANES], u32 n)
{
    ptx_access x = {.insn = i,
                    .space = PTX_SPACE_SHARED,
                    .mask = n == PTX_LANES ? PTX_FULL : (1u << n) - 1,
                    .size = UNIT,
                    .read = true,
                    .quiet = true,
                    .addr = addr};
    return ptx_watch(w, &x);
}

/* Lines first .. first + n - 1 of an operand with k elements a line. */
static bool load(ptx_warp *w, const ptx_insn *i, u64 desc, bool by_lines, u32 first, u32 n, u32 k,
                 operand *out)
{
    const wgmma_form *f = i->aux;
    descriptor d = decode_descriptor(desc);
    u32 per = k * mma_type_bits(f->a) / 8 / UNIT, units = by_lines ? n / 8 * k : n * per;
    if (d.has_base_offset && d.swizzle != UNIT) {
        ptx_fault_simple(
            w, i, 0, HX_UNSUPPORTED,
            "the CPU engine does not support matrix descriptors of wgmma with a base offset");
        return false;
    }
    for (u32 at = 0; at < units; at += PTX_LANES) {
        u64 addr[PTX_LANES] __attribute__((aligned(64))) = {0};
        u32 count = units - at < PTX_LANES ? units - at : PTX_LANES;
        for (u32 q = 0; q < count; q++)
            addr[q] = by_lines ? unit_by_lines(&d, first / 8 + (at + q) / k, (at + q) % k)
                               : unit_by_k(&d, first + (at + q) / per, (at + q) % per);
        if (!watch(w, i, addr, count))
            return false;
        for (u32 q = 0; q < count; q++) {
            const uint8_t *unit = w->block->shared + addr[q];
            if (!by_lines) {
                memcpy(out->line[(at + q) / per] + (at + q) % per * UNIT, unit, UNIT);
                continue;
            }
            for (u32 e = 0; e < 8; e++)
                memcpy(out->line[(at + q) / k * 8 + e] + (at + q) % k * 2, unit + 2 * e, 2);
        }
    }
    return true;
}

/* A's 16 rows from the registers of an mma fragment. */
static void from_registers(const ptx_warp *w, const wgmma_form *f, operand *out)
{
    for (u32 r = 0; r < 4; r++)
        EACH_LANE(l)
        memcpy(out->line[((u32)l >> 2) + 8 * (r & 1)] + UNIT * (r / 2) + 4 * ((u32)l & 3),
               IN(u32, f->slot_a[r]) + l, 4);
}

/* ---- products ---- */

static f32 float_at(mma_type t, const uint8_t *line, u32 k)
{
    u32 bytes = mma_type_bits(t) / 8, v = 0;
    memcpy(&v, line + k * bytes, bytes);
    return mma_widen(t, v);
}

static f32 negated(f32 v, u32 prime)
{
    return prime ? fp_of_bits(field_neg(fp_bits(v) >> 16, prime) << 16) : -v;
}

static void unpack_d(const ptx_warp *w, const wgmma_form *f, u32 tile, bool keep, mma_tile *x)
{
    EACH_LANE(l)
    for (u32 e = 0; e < 4; e++) {
        u32 row = ((u32)l >> 2) + (e & 2 ? 8 : 0), col = 2 * ((u32)l & 3) + (e & 1),
            at = 4 * tile + e;
        x->c[col][row] =
            !keep ? 0
            : f->d == MMA_F32
                ? IN(f32, f->slot_d[at])[l]
                : mma_widen(mma_stored(mma_model(w), MMA_F16),
                            IN(u32, f->slot_d[at / 2])[l] >> (16 * (at & 1)) & 0xffff);
    }
}

static void pack_d(const ptx_warp *w, const wgmma_form *f, u32 tile, const mma_tile *x)
{
    EACH_LANE(l)
    for (u32 h = 0; h < 2; h++) {
        u32 row = ((u32)l >> 2) + 8 * h, col = 2 * ((u32)l & 3), at = 4 * tile + 2 * h;
        f32 even = x->d[col][row], odd = x->d[col + 1][row];
        if (f->d == MMA_F32) {
            OUT(f32, f->slot_d[at])[l] = even;
            OUT(f32, f->slot_d[at + 1])[l] = odd;
        } else {
            OUT(u32, f->slot_d[at / 2])
            [l] = mma_model(w) == PTX_MMA_FIELD
                      ? fp_bits(even) >> 16 | (fp_bits(odd) & 0xffff0000)
                      : half_round(even, false, PTX_RN) | (u32)half_round(odd, false, PTX_RN) << 16;
        }
    }
}

static void multiply_floats(ptx_warp *w, const wgmma_form *f, const operand *a, const operand *b,
                            bool keep)
{
    const mma_rule rule = {.a = f->a,
                           .b = f->b,
                           .half = f->d == MMA_F16,
                           .coarse = mma_type_bits(f->a) == 8,
                           .sparse = f->sparse,
                           .model = mma_model(w),
                           .prime = ptx_field_prime(w)};
    const mma_type type_a = mma_stored(rule.model, f->a), type_b = mma_stored(rule.model, f->b);
    mma_tile x;
    for (u32 k = 0; k < (f->sparse ? f->k / 2 : f->k); k++)
        for (u32 r = 0; r < MMA_M; r++)
            x.a[k][r] = f->a_neg ? negated(float_at(type_a, a->line[r], k), rule.prime)
                                 : float_at(type_a, a->line[r], k);
    if (f->sparse)
        ptx_sparse_floats(w, &f->meta, &x);
    for (u32 tile = 0; tile < f->n / MMA_N; tile++) {
        for (u32 j = 0; j < MMA_N; j++)
            for (u32 k = 0; k < f->k; k++) {
                f32 v = float_at(type_b, b->line[tile * MMA_N + j], k);
                x.b[j][k] = f->b_neg ? negated(v, rule.prime) : v;
            }
        unpack_d(w, f, tile, keep, &x);
        mma_multiply(&x, f->k, &rule);
        pack_d(w, f, tile, &x);
    }
}

static s32 byte_at(mma_type t, const uint8_t *line, u32 k)
{
    return t == MMA_S8 ? (s8)line[k] : line[k];
}

static u32 common_bits(const uint8_t *a, const uint8_t *b)
{
    u64 x[ROW_BYTES / 8], y[ROW_BYTES / 8];
    u32 n = 0;
    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    for (u32 k = 0; k < ROW_BYTES / 8; k++)
        n += (u32)__builtin_popcountll(x[k] & y[k]);
    return n;
}

static void multiply_ints(ptx_warp *w, const wgmma_form *f, const operand *a, const operand *b,
                          bool keep)
{
    s32 rows[MMA_M][MMA_MAX_INT_K];
    for (u32 r = 0; r < MMA_M && f->a != MMA_B1; r++)
        for (u32 k = 0; k < ROW_BYTES; k++)
            rows[r][k] = byte_at(f->a, a->line[r], k);
    if (f->sparse)
        ptx_sparse_ints(w, &f->meta, rows);
    for (u32 at = 0; at < f->n_d; at++)
        EACH_LANE(l)
        {
            u32 r = ((u32)l >> 2) + (at & 2 ? 8 : 0);
            const uint8_t *col = b->line[at / 4 * 8 + 2 * ((u32)l & 3) + (at & 1)];
            s64 sum = keep ? IN(s32, f->slot_d[at])[l] : 0;
            if (f->a == MMA_B1)
                sum += common_bits(a->line[r], col);
            for (u32 k = 0; f->a != MMA_B1 && k < f->k; k++)
                sum += rows[r][k] * byte_at(f->b, col, k);
            sum = f->saturates && sum > INT32_MAX   ? INT32_MAX
                  : f->saturates && sum < INT32_MIN ? INT32_MIN
                                                    : sum;
            OUT(s32, f->slot_d[at])[l] = (s32)(u32)(u64)sum;
        }
}

static void x_wgmma(ptx_warp *w, const ptx_insn *i)
{
    const wgmma_form *f = i->aux;
    operand a, b;
    if (!ptx_whole_warp(w, i))
        return;
    if (!w->wgmma_fenced) {
        ptx_fault_sync(w, i, 0, HX_ILLEGAL, "Warpgroup MMA sequence error detected",
                         "illegal: wgmma.mma_async without wgmma.fence before the first");
        return;
    }
    w->wgmma_open = true;
    if (f->a_in_registers)
        from_registers(w, f, &a);
    else if (!load(w, i, IN(u64, f->desc_a)[0], f->a_by_lines, 16 * ((u32)w->id % WARPS), 16,
                   f->sparse ? f->k / 2 : f->k, &a))
        return;
    if (!load(w, i, IN(u64, f->desc_b)[0], f->b_by_lines, 0, f->n, f->k, &b))
        return;
    const u64 row_bytes = f->k * mma_type_bits(f->a) / 8; /* the four warps read one B together */
    w->worker->counters.tensor_shared_bytes +=
        (f->a_in_registers ? 0 : 16 * row_bytes / (f->sparse ? 2 : 1)) + f->n * row_bytes / WARPS;
    bool keep = (w->pred[f->scale_d] & 1) != f->scale_neg;
    if (f->d == MMA_S32)
        multiply_ints(w, f, &a, &b, keep);
    else
        multiply_floats(w, f, &a, &b, keep);
    w->worker->counters.tensor_flops += 2 * 16 * (u64)f->n * f->k / (f->sparse ? 2 : 1);
}

static void x_whole_warp(ptx_warp *w, const ptx_insn *i)
{
    ptx_whole_warp(w, i);
}

static void x_fence(ptx_warp *w, const ptx_insn *i)
{
    w->wgmma_fenced |= ptx_whole_warp(w, i);
}

static void x_commit(ptx_warp *w, const ptx_insn *i)
{
    if (!ptx_whole_warp(w, i))
        return;
    w->wgmma_groups += w->wgmma_open;
    w->wgmma_committed += w->wgmma_open;
    w->wgmma_open = false;
    ptx_past past = {0};
    ptx_race_release(w, &past);
    memcpy(w->wgmma_seen, past.warp[w->block->rank], sizeof w->wgmma_seen);
}

/* A warp of the warpgroup that has not committed `groups` groups yet; NULL: all have. */
static ptx_warp *late_warp(const ptx_warp *w, u32 groups)
{
    int first = w->id / WARPS * WARPS;
    for (int v = first; v < first + WARPS; v++)
        if (v >= w->block->n_warps || w->block->warp[v].wgmma_committed < groups)
            return v < w->block->n_warps ? &w->block->warp[v] : &w->block->warp[first];
    return NULL;
}

/* Products are the warpgroup's: they are complete when all four warps have brought theirs. */
static bool wait_for_warpgroup(ptx_warp *w, const ptx_insn *i, u32 groups)
{
    const ptx_warp *late = late_warp(w, groups);
    if (!late) {
        int first = w->id / WARPS * WARPS;
        for (int v = first; v < first + WARPS; v++) {
            ptx_past past = {.blocks = w->block->rank + 1};
            memcpy(past.warp[w->block->rank], w->block->warp[v].wgmma_seen, sizeof w->wgmma_seen);
            ptx_race_acquire(w, &past);
        }
        return true;
    }
    if (!late->live || late == w) {
        ptx_fault_simple(
            w, i, 0, HX_ILLEGAL,
            "illegal: wgmma needs all four warps of a warpgroup, warp %d does not take part",
            late->id);
        return false;
    }
    ptx_warp_count_again(w, i);
    w->poll = i;
    ptx_warp_end_turn(w);
    ptx_warp_send(w, w->exec, ptx_group_pc(w) - 1);
    return false;
}

static void x_wait(ptx_warp *w, const ptx_insn *i)
{
    if (!ptx_whole_warp(w, i) || (u64)i->imm >= w->wgmma_groups)
        return;
    if (wait_for_warpgroup(w, i, w->wgmma_committed - (u32)i->imm))
        w->wgmma_groups = (u32)i->imm;
}

/* ---- decoding ---- */

/* Columns of s32 results: multiples of 8 up to 32, then of 16. */
static bool columns_fit(const wgmma_form *f)
{
    return f->d != MMA_S32 || f->n <= 32 || f->n % 16 == 0;
}

/* Operands from `first` on: scale-d, and numbers that negate (1 or -1) or transpose (0 or 1). */
static bool decode_scales(ptx_decoder *d, const ptx_ast_insn *a, int first, wgmma_form *f)
{
    int64_t number[4] = {1, 1, 0, 0};
    int n = a->n_operands - first - 1, trans = f->a_in_registers ? 1 : 2;
    bool floats = f->d != MMA_S32, turns = mma_type_bits(f->a) == 16;
    if (!ptx_alu_pred_src(d, &a->operand[first], &f->scale_d, &f->scale_neg) ||
        n != (floats ? 2 : 0) + (turns ? trans : 0))
        return false;
    for (int k = 0; k < n; k++) {
        number[k] = a->operand[first + 1 + k].imm;
        if (k < 2 ? number[k] != 1 && number[k] != -1 : number[k] != 0 && number[k] != 1)
            return false;
    }
    f->a_neg = number[0] == -1;
    f->b_neg = number[1] == -1;
    f->a_by_lines = trans == 2 && number[2];
    f->b_by_lines = trans == 2 ? number[3] : number[2];
    return true;
}

/* Metadata and selector, as mma.sp has them: of 16 and 32 bits two threads of four have what the
 * rows need. */
static bool decode_sparsity(ptx_decoder *d, const ptx_ast_insn *a, wgmma_form *f)
{
    int64_t selector = a->operand[4].imm;
    f->meta = (mma_form){.k = f->k, .a = f->a, .bits_a = mma_type_bits(f->a), .sparse = true,
                         .selector = (u32)selector};
    return selector >= 0 && selector <= (f->meta.bits_a >= 16 ? 1 : 0) &&
           ptx_alu_src(d, &a->operand[3], PTX_b32, &f->meta.slot_meta);
}

static bool decode_product(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    wgmma_form *f = WS_ARENA_NEW(ptx_decoder_arena(d), wgmma_form, 1);
    mma_words x = mma_read(a);
    f->sparse = ptx_has(a, "sp");
    int scales = f->sparse ? 5 : 3;
    f->n = x.n;
    f->k = x.k;
    f->d = x.type[0];
    f->a = x.type[1];
    f->b = x.type[2];
    f->saturates = ptx_has(a, "satfinite");
    f->a_in_registers = a->operand[1].kind == PTX_OPD_VEC;
    f->n_d = f->n / 2 / (f->d == MMA_F16 ? 2 : 1);
    i->aux = f;
    i->esize = UNIT;
    i->vec = 1;
    i->run = x_wgmma;
    return columns_fit(f) && (!f->sparse || decode_sparsity(d, a, f)) &&
           decode_scales(d, a, scales, f) &&
           ptx_vec_slots(d, &a->operand[0], 4, true, f->slot_d, (int)f->n_d) &&
           (f->a_in_registers ? ptx_vec_slots(d, &a->operand[1], 4, false, f->slot_a, 4)
                              : ptx_alu_src(d, &a->operand[1], PTX_b64, &f->desc_a)) &&
           ptx_alu_src(d, &a->operand[2], PTX_b64, &f->desc_b);
}

static bool decode_group(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    (void)d;
    i->run = ptx_has(a, "fence") ? x_fence : ptx_has(a, "commit_group") ? x_commit : x_wait;
    i->imm = a->n_operands ? a->operand[0].imm : 0;
    return true;
}

/* setmaxnreg moves registers between warps, of which there are enough here. */
static bool decode_setmaxnreg(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    (void)d;
    i->run = x_whole_warp;
    return a->operand[0].imm % 8 == 0;
}

#define SPARSE "wgmma.mma_async.sp.sync.aligned."
const ptx_op_row ptx_ops_wgmma[] = {
    {"wgmma.fence.sync.aligned", decode_group, 0, PTX_UNIT_OTHER},
    {"wgmma.commit_group.sync.aligned", decode_group, 0, PTX_UNIT_OTHER},
    {"wgmma.wait_group.sync.aligned #a(0-7)", decode_group, 0, PTX_UNIT_OTHER},
    {"wgmma.mma_async.sync.aligned.$m64k16.(f16 f32).f16.f16 ?s, ?a, b:b64, !c, #e, #f, ...",
     decode_product, 0, PTX_UNIT_TENSOR},
    {"wgmma.mma_async.sync.aligned.$m64k16.f32.bf16.bf16 ?s, ?a, b:b64, !c, #e, #f, ...",
     decode_product, 0, PTX_UNIT_TENSOR},
    {"wgmma.mma_async.sync.aligned.$m64k8.f32.tf32.tf32 ?s, ?a, b:b64, !c, #e, #f",
     decode_product, 0, PTX_UNIT_TENSOR},
    {"wgmma.mma_async.sync.aligned.$m64k32.(f16 f32).(e4m3 e5m2).(e4m3 e5m2) ?s, ?a, b:b64, !c, "
     "#e, #f", decode_product, 0, PTX_UNIT_TENSOR},
    {"wgmma.mma_async.sync.aligned.$m64k32.s32.(s8 u8).(s8 u8){.satfinite} ?s, ?a, b:b64, !c",
     decode_product, 0, PTX_UNIT_TENSOR},
    {"wgmma.mma_async.sync.aligned.$m64k256.s32.b1.b1.and.popc ?s, ?a, b:b64, !c", decode_product,
     0, PTX_UNIT_TENSOR},
    {SPARSE "$m64k32.(f16 f32).f16.f16 ?s, ?a, b:b64, e:b32, #g, !c, #h, #i, ...", decode_product,
     0, PTX_UNIT_TENSOR},
    {SPARSE "$m64k32.f32.bf16.bf16 ?s, ?a, b:b64, e:b32, #g, !c, #h, #i, ...", decode_product, 0,
     PTX_UNIT_TENSOR},
    {SPARSE "$m64k16.f32.tf32.tf32 ?s, ?a, b:b64, e:b32, #g, !c, #h, #i", decode_product, 0,
     PTX_UNIT_TENSOR},
    {SPARSE "$m64k64.(f16 f32).(e4m3 e5m2).(e4m3 e5m2) ?s, ?a, b:b64, e:b32, #g, !c, #h, #i",
     decode_product, 0, PTX_UNIT_TENSOR},
    {SPARSE "$m64k64.s32.(s8 u8).(s8 u8){.satfinite} ?s, ?a, b:b64, e:b32, #g, !c", decode_product,
     0, PTX_UNIT_TENSOR},
    {"setmaxnreg.(inc dec).sync.aligned.u32 #a(24-256)", decode_setmaxnreg, 0, PTX_UNIT_OTHER},
    {0},
};
