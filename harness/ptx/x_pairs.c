/* Arithmetic on pairs of f32 in a 64-bit register, and on f32 with operands in half precision (PTX
 * ISA 9.7.3, 9.7.5): sm_100 and later. */
#include "harness/ptx/alu.h"
#include "harness/ptx/half.h"

enum { P_ADD, P_SUB, P_MUL, P_FMA };
enum { MAX_VALUES = 2 * PTX_LANES };

/* Opaque: it runs under a changed rounding mode. */
__attribute__((noipa)) static void compute(int op, int n, const f32 *x, const f32 *y, const f32 *z,
                                           f32 *r)
{
    switch (op) {
    case P_ADD:
        for (int k = 0; k < n; k++)
            r[k] = x[k] + z[k];
        break;
    case P_SUB:
        for (int k = 0; k < n; k++)
            r[k] = x[k] - z[k];
        break;
    case P_MUL:
        for (int k = 0; k < n; k++)
            r[k] = x[k] * y[k];
        break;
    default:
        for (int k = 0; k < n; k++)
            r[k] = __builtin_fmaf(x[k], y[k], z[k]);
    }
}

static void run(const ptx_insn *i, int n, const f32 *x, const f32 *y, const f32 *z, f32 *r)
{
    fp_round_begin(i->mods & 3);
    compute(i->op, n, x, y, z, r);
    fp_round_end(i->mods & 3);
    for (int k = 0; k < n; k++) {
        r[k] = fp_canon(r[k]);
        r[k] = i->mods & PTX_FTZ ? fp_flush(r[k]) : r[k];
        r[k] = i->mods & PTX_SAT ? fp_sat(r[k]) : r[k];
    }
}

static void load_pairs(const ptx_warp *w, const ptx_insn *i, u32 slot, f32 *x)
{
    memcpy(x, IN(f32, slot), MAX_VALUES * sizeof *x);
    for (int k = 0; i->mods & PTX_FTZ && k < MAX_VALUES; k++)
        x[k] = fp_flush(x[k]);
}

/* a, b: factors, b, c: terms; what the operation lacks is read from a */
static void x_pairs(ptx_warp *w, const ptx_insn *i)
{
    f32 x[MAX_VALUES], y[MAX_VALUES], z[MAX_VALUES], r[MAX_VALUES];
    u64 pair[PTX_LANES];
    load_pairs(w, i, i->a, x);
    load_pairs(w, i, i->b, y);
    load_pairs(w, i, i->c, z);
    run(i, MAX_VALUES, x, y, z, r);
    memcpy(pair, r, sizeof pair);
    LANES_DENSE(u64, OUT(u64, i->d), pair[l]);
}

/* type: bf16 */
static void x_mixed(ptx_warp *w, const ptx_insn *i)
{
    f32 x[PTX_LANES], y[PTX_LANES], r[PTX_LANES];
    half_widen(x, IN(u16, i->a), PTX_LANES, i->type);
    half_widen(y, IN(u16, i->b), PTX_LANES, i->type);
    run(i, PTX_LANES, x, y, IN(f32, i->c), r);
    LANES_DENSE(f32, OUT(f32, i->d), r[l]);
}

static bool decode_operands(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i, ptx_type narrow,
                            ptx_type wide)
{
    bool product = i->op >= P_MUL, term = i->op != P_MUL;
    int last = i->op == P_FMA ? 3 : 2;
    ptx_mods(a, i);
    i->fma = i->op != P_FMA ? 0 : wide == PTX_b64 ? 2 : 1;
    if (!ptx_alu_dst(d, &a->operand[0], ptx_type_bytes(wide), &i->d) ||
        !ptx_alu_src(d, &a->operand[1], narrow, &i->a) ||
        (product && !ptx_alu_src(d, &a->operand[2], narrow, &i->b)) ||
        (term && !ptx_alu_src(d, &a->operand[last], wide, &i->c)))
        return false;
    i->b = product ? i->b : i->a;
    i->c = term ? i->c : i->a;
    return true;
}

static bool decode_pairs(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->run = x_pairs;
    return decode_operands(d, a, i, PTX_b64, PTX_b64);
}

static bool decode_mixed(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->run = x_mixed;
    i->type = i->match->last == PTX_bf16;
    return decode_operands(d, a, i, PTX_b16, PTX_f32);
}

const ptx_op_row ptx_ops_pairs[] = {
    {"add{.$rnd}{.ftz}.f32x2 d:b64, a:b64, b:b64", decode_pairs, P_ADD, PTX_UNIT_F32},
    {"sub{.$rnd}{.ftz}.f32x2 d:b64, a:b64, b:b64", decode_pairs, P_SUB, PTX_UNIT_F32},
    {"mul{.$rnd}{.ftz}.f32x2 d:b64, a:b64, b:b64", decode_pairs, P_MUL, PTX_UNIT_F32},
    {"fma.$rnd{.ftz}.f32x2 d:b64, a:b64, b:b64, c:b64", decode_pairs, P_FMA, PTX_UNIT_F32},
    {"add{.$rnd}{.sat}.f32.(f16 bf16) d:f32, a, b:f32", decode_mixed, P_ADD, PTX_UNIT_F32},
    {"sub{.$rnd}{.sat}.f32.(f16 bf16) d:f32, a, b:f32", decode_mixed, P_SUB, PTX_UNIT_F32},
    {"fma.$rnd{.sat}.f32.(f16 bf16) d:f32, a, b, c:f32", decode_mixed, P_FMA, PTX_UNIT_F32},
    {0},
};
