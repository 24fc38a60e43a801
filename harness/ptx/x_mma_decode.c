/* mma.sync: what the modifiers ask for. */
#include "harness/ptx/alu.h"
#include "harness/ptx/x_matrix.h"
#include "harness/ptx/x_mma.h"

static bool is_small_float(mma_type t)
{
    return t >= MMA_E4M3 && t <= MMA_E2M1;
}

static bool decode_parts(const ptx_ast_insn *a, mma_form *f, bool *quads)
{
    mma_words x = mma_read(a);
    f->m = x.m;
    f->k = x.k;
    f->col_a = x.col[0];
    f->row_b = !x.col[1];
    f->saturates = ptx_has(a, "satfinite");
    f->is_and = ptx_has(a, "and");
    f->sparse = ptx_has(a, "sp") || ptx_has(a, "sp::ordered_metadata");
    f->a = x.type[1];
    f->b = x.type[2];
    f->c = x.type[3];
    f->half = x.type[0] == MMA_F16;
    bool packed = ptx_has(a, "kind::mxf4") || ptx_has(a, "kind::mxf4nvf4");
    f->bits_a = is_small_float(f->a) && !packed ? 8 : mma_type_bits(f->a);
    f->bits_b = is_small_float(f->b) && !packed ? 8 : mma_type_bits(f->b);
    *quads = f->m == 8 && f->a == MMA_F16;
    return x.type[0] == f->c || (*quads && !f->half);
}

/* Metadata and selector: one thread of four, two or all of them have what the rows need. */
static bool decode_sparse(ptx_decoder *d, const ptx_ast_insn *a, mma_form *f)
{
    const ptx_operand *o = &a->operand[5];
    u32 row_bits = f->a == MMA_TF32 ? 2 * f->k : f->bits_a == 4 ? f->k / 2 : f->k;
    if (o->imm < 0 || o->imm >= 64 / row_bits)
        return false;
    f->selector = (u32)o->imm;
    return ptx_vec_slots(d, &a->operand[4], 4, false, &f->slot_meta, 1);
}

/* Scales of one of A and B: data, {byte, thread}. */
static bool decode_scale(ptx_decoder *d, const ptx_operand o[2], mma_scales *s, int side)
{
    const ptx_operand *byte = o[1].elem, *thread = o[1].elem + 1;
    int step = s->n == 1 ? 1 : 2, most = s->n == 4 ? 0 : s->n == 2 ? 2 : 3;
    if (o[1].n_elem != 2 ||
        (byte->kind == PTX_OPD_IMM && (byte->imm < 0 || byte->imm > most || byte->imm % step)) ||
        (thread->kind == PTX_OPD_IMM && (thread->imm < 0 || thread->imm > (side ? 3 : 1))))
        return false;
    return ptx_vec_slots(d, &o[0], 4, false, &s->data[side], 1) &&
           ptx_alu_src(d, byte, PTX_b16, &s->byte[side]) &&
           ptx_alu_src(d, thread, PTX_b16, &s->thread[side]);
}

static bool decode_scales(ptx_decoder *d, const ptx_ast_insn *a, mma_form *f)
{
    mma_scales *s = WS_ARENA_NEW(ptx_decoder_arena(d), mma_scales, 1);
    const ptx_operand *o = a->operand + (f->sparse ? 6 : 4);
    s->n = ptx_has(a, "scale_vec::4X") ? 4 : f->bits_a == 4 ? 2 : 1;
    s->is_ue4m3 = ptx_has(a, "ue4m3");
    f->scales = s;
    return decode_scale(d, o, s, 0) && decode_scale(d, o + 2, s, 1);
}

static bool decode_mma(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    mma_form *f = WS_ARENA_NEW(ptx_decoder_arena(d), mma_form, 1);
    bool quads = false, scaled = ptx_has(a, "block_scale");
    if (!decode_parts(a, f, &quads))
        return false;
    u32 bits = f->bits_a, wide = f->a == MMA_F64 ? 8 : 4, n_d;
    f->n_a = quads ? 2 : f->m * f->k / (f->sparse ? 2 : 1) * bits / (PTX_LANES * 8 * wide);
    f->n_b = quads ? 2 : MMA_N * f->k * bits / (PTX_LANES * 8 * wide);
    f->n_c =
        quads ? (f->c == MMA_F16 ? 4 : 8) : f->m * MMA_N / PTX_LANES / (f->c == MMA_F16 ? 2 : 1);
    n_d = quads && f->c == MMA_F16 && !f->half ? 8 : f->n_c;
    ptx_mods(a, i);
    i->aux = f;
    i->run = quads             ? ptx_mma_quads
             : scaled          ? ptx_mma_scaled
             : f->a == MMA_F64 ? ptx_mma_f64
             : f->c == MMA_S32 ? ptx_mma_int
                               : ptx_mma_float;
    return (!f->sparse || decode_sparse(d, a, f)) && (!scaled || decode_scales(d, a, f)) &&
           ptx_vec_slots(d, &a->operand[0], wide, true, f->slot_d, (int)n_d) &&
           ptx_vec_slots(d, &a->operand[1], wide, false, f->slot_a, (int)f->n_a) &&
           ptx_vec_slots(d, &a->operand[2], wide, false, f->slot_b, (int)f->n_b) &&
           ptx_vec_slots(d, &a->operand[3], wide, false, f->slot_c, (int)f->n_c);
}

const ptx_op_row ptx_ops_mma[] = {
    {"mma.sync.aligned.(m16n8k8 m16n8k16).row.col.(f16 f32).f16.f16.(f16 f32) "
     "{?d}, {?a}, {?b}, {?c}", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.m8n8k4.(row col).(row col).(f16 f32).f16.f16.(f16 f32) "
     "{?d}, {?a}, {?b}, {?c}", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.(m16n8k8 m16n8k16).row.col.f32.bf16.bf16.f32 "
     "{?d}, {?a}, {?b}, {?c}", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.(m16n8k4 m16n8k8).row.col.f32.tf32.tf32.f32 "
     "{?d}, {?a}, {?b}, {?c}", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.(m16n8k16 m16n8k32).row.col.(f16 f32).(e4m3 e5m2).(e4m3 e5m2).(f16 f32) "
     "{?d}, {?a}, {?b}, {?c}", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.m16n8k32.row.col.kind::f8f6f4.(f16 f32).$f864.$f864.(f16 f32) "
     "{?d}, {?a}, {?b}, {?c}", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.(m8n8k4 m16n8k4 m16n8k8 m16n8k16).row.col{.$rnd}.f64.f64.f64.f64 "
     "{?d}, {?a}, {?b}, {?c}", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.(m8n8k16 m16n8k16 m16n8k32).row.col{.satfinite}.s32.(s8 u8).(s8 u8).s32 "
     "{?d}, {?a}, {?b}, {?c}", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.(m8n8k32 m16n8k32 m16n8k64).row.col{.satfinite}.s32.(s4 u4).(s4 u4).s32 "
     "{?d}, {?a}, {?b}, {?c}", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.(m8n8k128 m16n8k128 m16n8k256).row.col.s32.b1.b1.s32.(xor and).popc "
     "{?d}, {?a}, {?b}, {?c}", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.$sp.sync.aligned.(m16n8k16 m16n8k32).row.col.(f16 f32).f16.f16.(f16 f32) "
     "{?d}, {?a}, {?b}, {?c}, {e*}:b32, #f", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.$sp.sync.aligned.(m16n8k16 m16n8k32).row.col.f32.bf16.bf16.f32 "
     "{?d}, {?a}, {?b}, {?c}, {e*}:b32, #f", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.$sp.sync.aligned.(m16n8k8 m16n8k16).row.col.f32.tf32.tf32.f32 "
     "{?d}, {?a}, {?b}, {?c}, {e*}:b32, #f", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.$sp.sync.aligned.(m16n8k32 m16n8k64).row.col{.satfinite}.s32.(s8 u8).(s8 u8).s32 "
     "{?d}, {?a}, {?b}, {?c}, {e*}:b32, #f", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.$sp.sync.aligned.(m16n8k64 m16n8k128).row.col{.satfinite}.s32.(s4 u4).(s4 u4).s32 "
     "{?d}, {?a}, {?b}, {?c}, {e*}:b32, #f", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.$sp.sync.aligned.m16n8k64.row.col.(f16 f32).(e4m3 e5m2).(e4m3 e5m2).(f16 f32) "
     "{?d}, {?a}, {?b}, {?c}, {e*}:b32, #f", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sp::ordered_metadata.sync.aligned.m16n8k64.row.col.kind::f8f6f4.(f16 "
     "f32).$f864.$f864.(f16 f32) "
     "{?d}, {?a}, {?b}, {?c}, {e*}:b32, #f", decode_mma, 0, PTX_UNIT_TENSOR},
#define DENSE  "mma.sync.aligned."
#define SPARSE "mma.sp::ordered_metadata.sync.aligned."
#define SMALL  ".block_scale{.scale_vec::1X}.f32.$f864.$f864.f32.ue8m0 {?d}, {?a}, {?b}, {?c}, "
#define TWO    ".f32.e2m1.e2m1.f32.ue8m0 {?d}, {?a}, {?b}, {?c}, "
#define FOUR   ".block_scale.scale_vec::4X.f32.e2m1.e2m1.f32.ue4m3 {?d}, {?a}, {?b}, {?c}, "
#define META   "{e*}:b32, #f, "
#define SCALES "{g*}:b32, {?i}, {j*}:b32, {?k}"
    {DENSE "m16n8k32.row.col.kind::mxf8f6f4" SMALL SCALES, decode_mma, 0, PTX_UNIT_TENSOR},
    {DENSE "m16n8k64.row.col.kind::mxf4.block_scale{.scale_vec::2X}" TWO SCALES, decode_mma, 0,
     PTX_UNIT_TENSOR},
    {DENSE "m16n8k64.row.col.kind::mxf4nvf4.block_scale.scale_vec::2X" TWO SCALES, decode_mma, 0,
     PTX_UNIT_TENSOR},
    {DENSE "m16n8k64.row.col.kind::mxf4nvf4" FOUR SCALES, decode_mma, 0, PTX_UNIT_TENSOR},
    {SPARSE "m16n8k64.row.col.kind::mxf8f6f4" SMALL META SCALES, decode_mma, 0, PTX_UNIT_TENSOR},
    {SPARSE "m16n8k128.row.col.kind::mxf4.block_scale{.scale_vec::2X}" TWO META SCALES, decode_mma,
     0, PTX_UNIT_TENSOR},
    {SPARSE "m16n8k128.row.col.kind::mxf4nvf4.block_scale.scale_vec::2X" TWO META SCALES,
     decode_mma, 0, PTX_UNIT_TENSOR},
    {SPARSE "m16n8k128.row.col.kind::mxf4nvf4" FOUR META SCALES, decode_mma, 0, PTX_UNIT_TENSOR},
    {0},
};
