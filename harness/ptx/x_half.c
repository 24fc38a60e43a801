/* f16, bf16 and their packed pairs (PTX ISA 9.7.4, 9.7.5, 9.7.7). Lanes are widened to f32 in bulk,
 * computed and rounded once: add, sub and mul of f32 may be rounded again to half without error,
 * fma goes by rounding to odd. */
#include "harness/ptx/compare.h"
#include "harness/ptx/fpmath.h"
#include "harness/ptx/half.h"

enum { MAX_HALVES = 2 * PTX_LANES };

typedef enum half_op {
    H_ADD,
    H_SUB,
    H_MUL,
    H_FMA,
    H_NEG,
    H_ABS,
    H_MIN,
    H_MAX,
    H_EX2,
    H_TANH,
    H_COUNT
} half_op;
static const uint8_t sources_of[] = {
    [H_ADD] = 2, [H_SUB] = 2, [H_MUL] = 2, [H_FMA] = 3, [H_NEG] = 1,
    [H_ABS] = 1, [H_MIN] = 2, [H_MAX] = 2, [H_EX2] = 1, [H_TANH] = 1};

/* ---- arithmetic ---- */

static inline void flush_halves(u16 *h, int n, bool bf)
{
    const u16 exponent = bf ? 0x7f80 : 0x7c00;
    for (int k = 0; k < n; k++)
        h[k] = h[k] & exponent ? h[k] : h[k] & 0x8000;
}

static inline void load(f32 *x, const ptx_warp *w, const ptx_insn *i, u32 slot, int n, bool bf)
{
    u16 h[MAX_HALVES];
    if (!(i->mods & (PTX_FTZ | PTX_ABS))) {
        half_widen(x, IN(u16, slot), n, bf);
        return;
    }
    memcpy(h, IN(u16, slot), (size_t)n * 2);
    if (i->mods & PTX_FTZ)
        flush_halves(h, n, bf);
    for (int k = 0; k < n; k++)
        h[k] &= i->mods & PTX_ABS ? 0x7fff : 0xffff;
    half_widen(x, h, n, bf);
}

/* x y + z, ready to be rounded to a half, when the product is exact in f32, as it is for f16. */
static inline f32 fma_narrow(f32 x, f32 y, f32 z)
{
    f32 p = x * y, s = p + z, v = s - p;
    f32 e = (p - (s - v)) + (z - v);
    return fp_round_odd(s, e > 0, e < 0);
}

/* The same for bf16, whose products may leave the range of f32. */
static inline f32 fma_wide(f32 x, f32 y, f32 z)
{
    f64 p = (f64)x * (f64)y, c = (f64)z, s = p + c, v = s - p;
    f64 e = (p - (s - v)) + (c - v);
    return fp_narrow_odd(fp_round_odd64(s, e > 0, e < 0));
}

static inline bool in_range(const f32 *x, const f32 *y, const f32 *z, int n)
{
    u32 all = 1;
    for (int k = 0; k < n; k++) {
        f32 p = __builtin_fabsf(x[k] * y[k]), c = __builtin_fabsf(z[k]);
        all &= (u32)((p >= 0x1p-100f) | (x[k] == 0) | (y[k] == 0)) & (p <= 0x1p120f) &
               (c <= 0x1p120f);
    }
    return all;
}

static inline f32 pick(f32 x, f32 y, bool max, bool nan)
{
    return nan && (x != x || y != y) ? NAN : max ? fp_max(x, y) : fp_min(x, y);
}

__attribute__((always_inline)) static inline void
compute(const ptx_insn *i, int op, bool bf, int n, const f32 *x, const f32 *y, const f32 *z, f32 *r)
{
    bool nan = i->mods & PTX_NAN, wide = op == H_FMA && bf && !in_range(x, y, z, n);
#define EVERY(expr) for (int k = 0; k < n; k++) r[k] = (expr); break
    switch (op) {
    case H_ADD: EVERY(x[k] + y[k]);
    case H_SUB: EVERY(x[k] - y[k]);
    case H_MUL: EVERY(x[k] * y[k]);
    case H_FMA:
        if (wide) {
            EVERY(fma_wide(x[k], y[k], z[k]));
        }
        EVERY(fma_narrow(x[k], y[k], z[k]));
    case H_NEG: EVERY(-x[k]);
    case H_ABS: EVERY(__builtin_fabsf(x[k]));
    case H_MIN: EVERY(pick(x[k], y[k], false, nan));
    case H_MAX: EVERY(pick(x[k], y[k], true, nan));
    case H_EX2: EVERY(fp_ex2(x[k]));
    default: EVERY(fp_tanh(x[k]));
    }
}

/* The handler of one operation on n halves: 32 of them in u16 slots, or 64 in u32 ones. */
__attribute__((always_inline)) static inline void run_half(ptx_warp *w, const ptx_insn *i, int op,
                                                           bool bf, int n)
{
    f32 x[MAX_HALVES], y[MAX_HALVES], z[MAX_HALVES], r[MAX_HALVES];
    u16 h[MAX_HALVES] __attribute__((aligned(64)));
    load(x, w, i, i->a, n, bf);
    if (sources_of[op] > 1)
        load(y, w, i, i->b, n, bf);
    if (sources_of[op] > 2)
        load(z, w, i, i->c, n, bf);
    compute(i, op, bf, n, x, y, z, r);
    if (i->mods & PTX_SAT)
        for (int k = 0; k < n; k++)
            r[k] = fp_sat(r[k]);
    if (i->mods & PTX_RELU)
        for (int k = 0; k < n; k++)
            r[k] = r[k] <= 0 ? 0 : r[k];
    half_narrow(h, r, n, bf);
    if (i->mods & PTX_FTZ)
        flush_halves(h, n, bf);
    if (i->flags & PTX_IF_SIGNED) { /* .xorsign */
        const u16 *a = IN(u16, i->a), *b = IN(u16, i->b);
        for (int k = 0; k < n; k++)
            h[k] |= r[k] == r[k] ? (a[k] ^ b[k]) & 0x8000 : 0;
    }
    if (n == PTX_LANES) {
        LANES_DENSE(u16, OUT(u16, i->d), h[l]);
    } else {
        u32 pair[PTX_LANES];
        memcpy(pair, h, sizeof pair);
        LANES_DENSE(u32, OUT(u32, i->d), pair[l]);
    }
}

#define HALF(name, op)                                                                             \
    static void x_##name##_f16(ptx_warp *w, const ptx_insn *i)                                     \
    {                                                                                              \
        run_half(w, i, op, false, PTX_LANES);                                                      \
    }                                                                                              \
    static void x_##name##_bf16(ptx_warp *w, const ptx_insn *i)                                    \
    {                                                                                              \
        run_half(w, i, op, true, PTX_LANES);                                                       \
    }                                                                                              \
    static void x_##name##_f16x2(ptx_warp *w, const ptx_insn *i)                                   \
    {                                                                                              \
        run_half(w, i, op, false, 2 * PTX_LANES);                                                  \
    }                                                                                              \
    static void x_##name##_bf16x2(ptx_warp *w, const ptx_insn *i)                                  \
    {                                                                                              \
        run_half(w, i, op, true, 2 * PTX_LANES);                                                   \
    }
HALF(add, H_ADD)
HALF(sub, H_SUB)
HALF(mul, H_MUL)
HALF(fma, H_FMA)
HALF(neg, H_NEG)
HALF(abs, H_ABS)
HALF(min, H_MIN)
HALF(max, H_MAX)
HALF(ex2, H_EX2)
HALF(tanh, H_TANH)

#define FOUR(n) {x_##n##_f16, x_##n##_bf16, x_##n##_f16x2, x_##n##_bf16x2}
static const ptx_handler handlers[H_COUNT][4] = {
    [H_ADD] = FOUR(add), [H_SUB] = FOUR(sub),   [H_MUL] = FOUR(mul), [H_FMA] = FOUR(fma),
    [H_NEG] = FOUR(neg), [H_ABS] = FOUR(abs),   [H_MIN] = FOUR(min), [H_MAX] = FOUR(max),
    [H_EX2] = FOUR(ex2), [H_TANH] = FOUR(tanh),
};
/* 0 f16, 1 bf16, 2 f16x2, 3 bf16x2; -1 no half */
static int half_index(ptx_type t)
{
    return t == PTX_f16 ? 0 : t == PTX_bf16 ? 1 : t == PTX_f16x2 ? 2 : t == PTX_bf16x2 ? 3 : -1;
}

static bool decode_half(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    int index = half_index(i->match->last);
    ptx_mods(a, i);
    if (ptx_has(a, "abs"))
        i->mods |= PTX_ABS;
    if (ptx_has(a, "xorsign"))
        i->flags |= PTX_IF_SIGNED;
    i->fma = i->op != H_FMA ? 0 : index > 1 ? 2 : 1;
    i->run = handlers[i->op][index];
    return ptx_alu_operands(d, a, i);
}

/* ---- comparisons ---- */

/* vec: the base test; esize: bf16; dsize: 1 or 2 halves a lane. The results of the lower and the
 * upper halves. */
static void test_halves(const ptx_warp *w, const ptx_insn *i, u32 t[2])
{
    f32 x[MAX_HALVES], y[MAX_HALVES];
    int per = i->dsize, base = i->vec;
    load(x, w, i, i->a, per * PTX_LANES, i->esize);
    load(y, w, i, i->b, per * PTX_LANES, i->esize);
    t[0] = t[1] = 0;
    for (int k = 0; k < per * PTX_LANES; k++)
        t[k % per] |= (u32)(CMP_TEST(base, x[k], y[k])) << k / per;
    t[0] ^= (u32)i->imm;
    t[1] ^= (u32)i->imm;
}

static void x_setp_half(ptx_warp *w, const ptx_insn *i)
{
    u32 t[2];
    test_halves(w, i, t);
    u32 p = ptx_cmp_bool(w, i, t[0]), q = ptx_cmp_bool(w, i, i->dsize == 2 ? t[1] : ~t[0]);
    ptx_set_pred(w, i->d, p);
    ptx_set_pred(w, i->d2, q);
}

/* target: the bits of true; for pairs, of one half */
static void x_set_half(ptx_warp *w, const ptx_insn *i)
{
    u32 t[2], yes = i->target;
    test_halves(w, i, t);
    u32 p = ptx_cmp_bool(w, i, t[0]), q = i->dsize == 2 ? ptx_cmp_bool(w, i, t[1]) : 0;
    if (i->flags & PTX_IF_WIDE_ADDRESS)
        LANES_DENSE(u32, OUT(u32, i->d), (p >> l & 1 ? yes : 0) | (q >> l & 1 ? yes << 16 : 0));
    else
        LANES_DENSE(u16, OUT(u16, i->d), (u16)(p >> l & 1 ? yes : 0));
}

static bool decode_compare(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    int index = half_index(i->match->last), base = ptx_cmp_decode(d, a, i, true);
    ptx_mods(a, i);
    i->vec = (uint8_t)base;
    i->esize = index & 1;
    i->dsize = index > 1 ? 2 : 1;
    return base >= 0;
}

static bool decode_setp(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->d2 = ptx_alu_second(d, &a->operand[0]);
    i->run = x_setp_half;
    return decode_compare(d, a, i) && ptx_alu_pred_dst(d, &a->operand[0], &i->d) &&
           i->d2 != PTX_NO_SLOT;
}

static bool decode_set(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    ptx_type t = i->match->first;
    uint32_t bytes = ptx_type_bytes(t);
    if (!decode_compare(d, a, i))
        return false;
    switch (half_index(t)) {
    case 0: case 2: i->target = 0x3c00; break;
    case 1: case 3: i->target = 0x3f80; break;
    default: i->target = bytes == 2 || i->dsize == 2 ? 0xffff : UINT32_MAX;
    }
    i->flags |= bytes == 4 ? PTX_IF_WIDE_ADDRESS : 0;
    i->run = x_set_half;
    return ptx_alu_dst(d, &a->operand[0], bytes, &i->d);
}

const ptx_op_row ptx_ops_half[] = {
    {"add{.rn}{.ftz}{.sat}.(f16 f16x2) d, a, b", decode_half, H_ADD, PTX_UNIT_F16},
    {"add{.rn}.(bf16 bf16x2) d, a, b", decode_half, H_ADD, PTX_UNIT_F16},
    {"sub{.rn}{.ftz}{.sat}.(f16 f16x2) d, a, b", decode_half, H_SUB, PTX_UNIT_F16},
    {"sub{.rn}.(bf16 bf16x2) d, a, b", decode_half, H_SUB, PTX_UNIT_F16},
    {"mul{.rn}{.ftz}{.sat}.(f16 f16x2) d, a, b", decode_half, H_MUL, PTX_UNIT_F16},
    {"mul{.rn}.(bf16 bf16x2) d, a, b", decode_half, H_MUL, PTX_UNIT_F16},
    {"fma.rn{.ftz}{.sat}.(f16 f16x2) d, a, b, c", decode_half, H_FMA, PTX_UNIT_F16},
    {"fma.rn{.ftz}.relu.(f16 f16x2) d, a, b, c", decode_half, H_FMA, PTX_UNIT_F16},
    {"fma.rn{.relu}.(bf16 bf16x2) d, a, b, c", decode_half, H_FMA, PTX_UNIT_F16},
    {"neg{.ftz}.(f16 f16x2) d, a", decode_half, H_NEG, PTX_UNIT_F16},
    {"neg.(bf16 bf16x2) d, a", decode_half, H_NEG, PTX_UNIT_F16},
    {"abs{.ftz}.(f16 f16x2) d, a", decode_half, H_ABS, PTX_UNIT_F16},
    {"abs.(bf16 bf16x2) d, a", decode_half, H_ABS, PTX_UNIT_F16},
    {"min{.ftz}{.NaN}.(f16 f16x2) d, a, b", decode_half, H_MIN, PTX_UNIT_SELECT},
    {"min{.ftz}{.NaN}.xorsign.abs.(f16 f16x2) d, a, b", decode_half, H_MIN, PTX_UNIT_SELECT},
    {"min{.NaN}.(bf16 bf16x2) d, a, b", decode_half, H_MIN, PTX_UNIT_SELECT},
    {"min{.NaN}.xorsign.abs.(bf16 bf16x2) d, a, b", decode_half, H_MIN, PTX_UNIT_SELECT},
    {"max{.ftz}{.NaN}.(f16 f16x2) d, a, b", decode_half, H_MAX, PTX_UNIT_SELECT},
    {"max{.ftz}{.NaN}.xorsign.abs.(f16 f16x2) d, a, b", decode_half, H_MAX, PTX_UNIT_SELECT},
    {"max{.NaN}.(bf16 bf16x2) d, a, b", decode_half, H_MAX, PTX_UNIT_SELECT},
    {"max{.NaN}.xorsign.abs.(bf16 bf16x2) d, a, b", decode_half, H_MAX, PTX_UNIT_SELECT},
    {"ex2.approx.(f16 f16x2) d, a", decode_half, H_EX2, PTX_UNIT_SFU},
    {"ex2.approx.ftz.(bf16 bf16x2) d, a", decode_half, H_EX2, PTX_UNIT_SFU},
    {"tanh.approx.(f16 f16x2 bf16 bf16x2) d, a", decode_half, H_TANH, PTX_UNIT_SFU},
    {"setp.$fcmp{.ftz}.f16 p, a, b", decode_setp, 0, PTX_UNIT_SELECT},
    {"setp.$fcmp.$bool{.ftz}.f16 p, a, b, !c", decode_setp, 0, PTX_UNIT_SELECT},
    {"setp.$fcmp{.ftz}.f16x2 p|q, a, b", decode_setp, 0, PTX_UNIT_SELECT},
    {"setp.$fcmp.$bool{.ftz}.f16x2 p|q, a, b, !c", decode_setp, 0, PTX_UNIT_SELECT},
    {"setp.$fcmp.bf16 p, a, b", decode_setp, 0, PTX_UNIT_SELECT},
    {"setp.$fcmp.bf16x2 p|q, a, b", decode_setp, 0, PTX_UNIT_SELECT},
    {"setp.$fcmp.$bool.bf16 p, a, b, !c", decode_setp, 0, PTX_UNIT_SELECT},
    {"setp.$fcmp.$bool.bf16x2 p|q, a, b, !c", decode_setp, 0, PTX_UNIT_SELECT},
    {"set.$fcmp{.ftz}.(f16 u16 s16 u32 s32).f16 d:1, a, b", decode_set, 0, PTX_UNIT_SELECT},
    {"set.$fcmp.$bool{.ftz}.(f16 u16 s16 u32 s32).f16 d:1, a, b, !c",
     decode_set, 0, PTX_UNIT_SELECT},
    {"set.$fcmp.bf16.f16 d:1, a, b", decode_set, 0, PTX_UNIT_SELECT},
    {"set.$fcmp.$bool.bf16.f16 d:1, a, b, !c", decode_set, 0, PTX_UNIT_SELECT},
    {"set.$fcmp.(bf16 u16 s16 u32 s32).bf16 d:1, a, b", decode_set, 0, PTX_UNIT_SELECT},
    {"set.$fcmp.$bool.(bf16 u16 s16 u32 s32).bf16 d:1, a, b, !c", decode_set, 0, PTX_UNIT_SELECT},
    {"set.$fcmp{.ftz}.(f16x2 u32 s32).f16x2 d:1, a, b", decode_set, 0, PTX_UNIT_SELECT},
    {"set.$fcmp.$bool{.ftz}.(f16x2 u32 s32).f16x2 d:1, a, b, !c", decode_set, 0, PTX_UNIT_SELECT},
    {"set.$fcmp.(bf16x2 u32 s32).bf16x2 d:1, a, b", decode_set, 0, PTX_UNIT_SELECT},
    {"set.$fcmp.$bool.(bf16x2 u32 s32).bf16x2 d:1, a, b, !c", decode_set, 0, PTX_UNIT_SELECT},
    {0},
};
