/* mma.sync: which shapes and types there are. */
#include "harness/ptx/alu.h"
#include "harness/ptx/x_matrix.h"
#include "harness/ptx/x_mma.h"

/* Of unsigned integers as of signed ones, of e5m2 and so on as of e4m3. */
static const struct {
    u8 m;
    u16 k;
    mma_type a;
    bool sparse;
} shapes[] = {
    {16, 8, MMA_F16, 0},    {16, 16, MMA_F16, 0},  {16, 8, MMA_BF16, 0},  {16, 16, MMA_BF16, 0},
    {16, 4, MMA_TF32, 0},   {16, 8, MMA_TF32, 0},  {16, 16, MMA_E4M3, 0}, {16, 32, MMA_E4M3, 0},
    {8, 4, MMA_F64, 0},     {16, 4, MMA_F64, 0},   {16, 8, MMA_F64, 0},   {16, 16, MMA_F64, 0},
    {8, 16, MMA_S8, 0},     {16, 16, MMA_S8, 0},   {16, 32, MMA_S8, 0},   {8, 32, MMA_S4, 0},
    {16, 32, MMA_S4, 0},    {16, 64, MMA_S4, 0},   {8, 128, MMA_B1, 0},   {16, 128, MMA_B1, 0},
    {16, 256, MMA_B1, 0},   {8, 4, MMA_F16, 0},    {16, 16, MMA_F16, 1},  {16, 32, MMA_F16, 1},
    {16, 16, MMA_BF16, 1},  {16, 32, MMA_BF16, 1}, {16, 8, MMA_TF32, 1},  {16, 16, MMA_TF32, 1},
    {16, 32, MMA_S8, 1},    {16, 64, MMA_S8, 1},   {16, 64, MMA_S4, 1},   {16, 128, MMA_S4, 1},
    {16, 64, MMA_E4M3, 1},
};

static mma_type unsigned_as_signed(mma_type t)
{
    return t == MMA_U8 ? MMA_S8 : t == MMA_U4 ? MMA_S4 : t;
}

/* "m16n8k16" */
static bool parse_shape(ws_str s, u32 *m, u32 *n, u32 *k)
{
    u32 *to[] = {m, n, k};
    size_t at = 0;
    for (int p = 0; p < 3; p++) {
        if (at >= s.n || s.p[at++] != "mnk"[p])
            return false;
        *to[p] = 0;
        size_t first = at;
        while (at < s.n && s.p[at] >= '0' && s.p[at] <= '9' && *to[p] < 1000)
            *to[p] = *to[p] * 10 + (u32)(s.p[at++] - '0');
        if (at == first)
            return false;
    }
    return at == s.n;
}

static bool is_small_float(mma_type t)
{
    return t >= MMA_E4M3 && t <= MMA_E2M1;
}

/* Types of D, A, B, C fit together. `any_small`: kind::f8f6f4, which has more than the two of 8 bits. */
static bool types_fit(const mma_type t[4], bool quads, bool any_small)
{
    bool small = is_small_float(t[1]) && is_small_float(t[2]);
    bool same = unsigned_as_signed(t[1]) == unsigned_as_signed(t[2]) || small;
    bool wide = t[0] == MMA_F32 && t[3] == MMA_F32, halves = t[0] == MMA_F16 && t[3] == MMA_F16;
    if (!same)
        return false;
    if (small)
        return (wide || halves) && (any_small || (t[1] <= MMA_E5M2 && t[2] <= MMA_E5M2));
    switch (t[1]) {
    case MMA_F16:
        return wide || halves || (quads && t[0] == MMA_F32 && t[3] == MMA_F16);
    case MMA_BF16:
    case MMA_TF32:
        return wide && !any_small;
    case MMA_F64:
        return t[0] == MMA_F64 && t[3] == MMA_F64;
    default:
        return t[0] == MMA_S32 && t[3] == MMA_S32;
    }
}

/* What the modifiers say, one field each. */
typedef struct mma_parts {
    mma_type t[4];
    u32 n, n_types, n_layouts;
    bool aligned, synced, rounds, any_small, ordered;
} mma_parts;

static bool read_part(ws_str part, mma_form *f, mma_parts *x)
{
    static const char *const harmless[] = {"xor", "popc", NULL};
    mma_type found = mma_type_find(part);
    bool row = ws_str_eqz(part, "row"), col = ws_str_eqz(part, "col");
    if (found != MMA_TYPE_COUNT) {
        if (x->n_types == 4)
            return false;
        x->t[x->n_types++] = found;
    } else if (row || col) {
        f->col_a |= x->n_layouts == 0 && col;
        f->row_b |= x->n_layouts == 1 && row;
        x->n_layouts++;
    } else if (ws_str_eqz(part, "sync")) {
        x->synced = true;
    } else if (ws_str_eqz(part, "aligned")) {
        x->aligned = true;
    } else if (ws_str_eqz(part, "satfinite")) {
        f->saturates = true;
    } else if (ws_str_eqz(part, "and")) {
        f->is_and = true;
    } else if (ws_str_eqz(part, "sp") || ws_str_eqz(part, "sp::ordered_metadata")) {
        f->sparse = true;
        x->ordered = part.n > 2;
    } else if (ws_str_eqz(part, "kind::f8f6f4")) {
        x->any_small = true;
    } else if (part.n == 2 && part.p[0] == 'r') {
        x->rounds = true; /* ptx_mods knows which */
    } else {
        for (int h = 0; harmless[h]; h++)
            if (ws_str_eqz(part, harmless[h]))
                return true;
        return parse_shape(part, &f->m, &x->n, &f->k);
    }
    return true;
}

static bool is_known_shape(const mma_form *f)
{
    mma_type t = is_small_float(f->a) ? MMA_E4M3 : unsigned_as_signed(f->a);
    for (size_t s = 0; s < WS_COUNT(shapes); s++)
        if (shapes[s].m == f->m && shapes[s].k == f->k && shapes[s].a == t && shapes[s].sparse == f->sparse)
            return true;
    return false;
}

static bool decode_parts(const ptx_ast_insn *a, mma_form *f, bool *quads)
{
    mma_parts x = {.n = 0};
    for (int p = 1; p < a->n_parts; p++)
        if (!read_part(a->part[p], f, &x))
            return false;
    if (!x.aligned || !x.synced || x.n != MMA_N || x.n_types != 4 || x.n_layouts != 2)
        return false;
    *quads = f->m == 8 && f->k == 4 && x.t[1] == MMA_F16;
    f->a = x.t[1];
    f->b = x.t[2];
    f->c = x.t[3];
    f->half = x.t[0] == MMA_F16;
    f->bits_a = is_small_float(f->a) ? 8 : mma_type_bits(f->a);
    f->bits_b = is_small_float(f->b) ? 8 : mma_type_bits(f->b);
    if (x.any_small && (f->k != (f->sparse ? 64 : 32) || f->sparse != x.ordered))
        return false;
    return is_known_shape(f) && types_fit(x.t, *quads, x.any_small) && (!x.rounds || f->a == MMA_F64) &&
           (*quads || (!f->col_a && !f->row_b));
}

/* Metadata and selector: one thread of four, two or all of them have what the rows need. */
static bool decode_sparse(ptx_decoder *d, const ptx_ast_insn *a, mma_form *f)
{
    const ptx_operand *o = &a->operand[5];
    u32 row_bits = f->a == MMA_TF32 ? 2 * f->k : f->bits_a == 4 ? f->k / 2 : f->k;
    if (o->kind != PTX_OPD_IMM || o->imm < 0 || o->imm >= 64 / row_bits)
        return false;
    f->selector = (u32)o->imm;
    return ptx_alu_src(d, &a->operand[4], PTX_b32, &f->slot_meta);
}

static bool decode_mma(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    mma_form *f = WS_ARENA_NEW(ptx_decoder_arena(d), mma_form, 1);
    bool quads = false;
    if (!decode_parts(a, f, &quads) || a->n_operands != (f->sparse ? 6 : 4))
        return false;
    u32 bits = f->bits_a, wide = f->a == MMA_F64 ? 8 : 4, n_d;
    f->n_a = quads ? 2 : f->m * f->k / (f->sparse ? 2 : 1) * bits / (PTX_LANES * 8 * wide);
    f->n_b = quads ? 2 : MMA_N * f->k * bits / (PTX_LANES * 8 * wide);
    f->n_c = quads ? (f->c == MMA_F16 ? 4 : 8) : f->m * MMA_N / PTX_LANES / (f->c == MMA_F16 ? 2 : 1);
    n_d = quads && f->c == MMA_F16 && !f->half ? 8 : f->n_c;
    ptx_mods(a, i);
    i->aux = f;
    i->run = quads             ? ptx_mma_quads
             : f->a == MMA_F64 ? ptx_mma_f64
             : f->c == MMA_S32 ? ptx_mma_int
                               : ptx_mma_float;
    return (!f->sparse || decode_sparse(d, a, f)) &&
           ptx_vec_slots(d, &a->operand[0], wide, true, f->slot_d, (int)n_d) &&
           ptx_vec_slots(d, &a->operand[1], wide, false, f->slot_a, (int)f->n_a) &&
           ptx_vec_slots(d, &a->operand[2], wide, false, f->slot_b, (int)f->n_b) &&
           ptx_vec_slots(d, &a->operand[3], wide, false, f->slot_c, (int)f->n_c);
}

const ptx_op_row ptx_ops_mma[] = {
    {"mma.sync.aligned.(m16n8k8 m16n8k16).row.col.(f16 f32).f16.f16.(f16 f32) "
     "?d, ?a, ?b, ?c", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.m8n8k4.(row col).(row col).(f16 f32).f16.f16.(f16 f32) "
     "?d, ?a, ?b, ?c", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.(m16n8k8 m16n8k16).row.col.f32.bf16.bf16.f32 "
     "?d, ?a, ?b, ?c", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.(m16n8k4 m16n8k8).row.col.f32.tf32.tf32.f32 "
     "?d, ?a, ?b, ?c", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.(m16n8k16 m16n8k32).row.col.(f16 f32).(e4m3 e5m2).(e4m3 e5m2).(f16 f32) "
     "?d, ?a, ?b, ?c", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.m16n8k32.row.col.kind::f8f6f4.(f16 f32).$f864.$f864.(f16 f32) "
     "?d, ?a, ?b, ?c", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.(m8n8k4 m16n8k4 m16n8k8 m16n8k16).row.col{.$rnd}.f64.f64.f64.f64 "
     "?d, ?a, ?b, ?c", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.(m8n8k16 m16n8k16 m16n8k32).row.col{.satfinite}.s32.(s8 u8).(s8 u8).s32 "
     "?d, ?a, ?b, ?c", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.(m8n8k32 m16n8k32 m16n8k64).row.col{.satfinite}.s32.(s4 u4).(s4 u4).s32 "
     "?d, ?a, ?b, ?c", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sync.aligned.(m8n8k128 m16n8k128 m16n8k256).row.col.s32.b1.b1.s32.(xor and).popc "
     "?d, ?a, ?b, ?c", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.$sp.sync.aligned.(m16n8k16 m16n8k32).row.col.(f16 f32).f16.f16.(f16 f32) "
     "?d, ?a, ?b, ?c, e:b32, #f", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.$sp.sync.aligned.(m16n8k16 m16n8k32).row.col.f32.bf16.bf16.f32 "
     "?d, ?a, ?b, ?c, e:b32, #f", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.$sp.sync.aligned.(m16n8k8 m16n8k16).row.col.f32.tf32.tf32.f32 "
     "?d, ?a, ?b, ?c, e:b32, #f", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.$sp.sync.aligned.(m16n8k32 m16n8k64).row.col{.satfinite}.s32.(s8 u8).(s8 u8).s32 "
     "?d, ?a, ?b, ?c, e:b32, #f", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.$sp.sync.aligned.(m16n8k64 m16n8k128).row.col{.satfinite}.s32.(s4 u4).(s4 u4).s32 "
     "?d, ?a, ?b, ?c, e:b32, #f", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.$sp.sync.aligned.m16n8k64.row.col.(f16 f32).(e4m3 e5m2).(e4m3 e5m2).(f16 f32) "
     "?d, ?a, ?b, ?c, e:b32, #f", decode_mma, 0, PTX_UNIT_TENSOR},
    {"mma.sp::ordered_metadata.sync.aligned.m16n8k64.row.col.kind::f8f6f4.(f16 f32).$f864.$f864.(f16 f32) "
     "?d, ?a, ?b, ?c, e:b32, #f", decode_mma, 0, PTX_UNIT_TENSOR},
    {0},
};
