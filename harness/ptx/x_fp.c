/* f32 and f64 arithmetic (PTX ISA 9.7.3). Round to nearest without .ftz and .sat runs in plain lane
 * loops; everything else in one general way with the machine's rounding mode. NaN results of f32
 * are 0x7fffffff, as on the GPU. Results of .approx are those of double precision, rounded: inside
 * every documented bound. */
#include "harness/ptx/alu.h"
#include "harness/ptx/fpmath.h"

/* ---- the fast way ---- */

#define FP1(name, T, expr)                                                                         \
    LANES_HANDLER(name, T, expr, const T *a = IN(T, i->a))
#define FP2(name, T, expr)                                                                         \
    LANES_HANDLER(name, T, expr, const T *a = IN(T, i->a), *b = IN(T, i->b))
#define FP3(name, T, expr)                                                                         \
    LANES_HANDLER(name, T, expr, const T *a = IN(T, i->a), *b = IN(T, i->b), *c = IN(T, i->c))
/* With the GPU's NaN. Sums follow each other closely, and NaNs are rare: they are put right afterwards, not on the
 * way. */
#define SUM(name, expr, ...) LANES_HANDLER_THEN(name, f32, fp_canon(expr), expr, fp_canon_all(d_), __VA_ARGS__)
SUM(add_f32, a[l] + b[l], const f32 *a = IN(f32, i->a), *b = IN(f32, i->b))
SUM(sub_f32, a[l] - b[l], const f32 *a = IN(f32, i->a), *b = IN(f32, i->b))
SUM(mul_f32, a[l] * b[l], const f32 *a = IN(f32, i->a), *b = IN(f32, i->b))
SUM(fma_f32, __builtin_fmaf(a[l], b[l], c[l]),
    const f32 *a = IN(f32, i->a), *b = IN(f32, i->b), *c = IN(f32, i->c))
bool ptx_is_fma_f32(const ptx_insn *i)
{
    return i->run == x_fma_f32;
}
FP2(div_f32, f32, fp_canon(a[l] / b[l]))
FP1(rcp_f32, f32, fp_canon(1.0f / a[l]))
FP1(sqrt_f32, f32, fp_canon(__builtin_sqrtf(a[l])))
FP1(neg_f32, f32, -a[l])
FP1(abs_f32, f32, __builtin_fabsf(a[l]))
FP2(add_f64, f64, a[l] + b[l])
FP2(sub_f64, f64, a[l] - b[l])
FP2(mul_f64, f64, a[l] * b[l])
FP2(div_f64, f64, a[l] / b[l])
FP3(fma_f64, f64, __builtin_fma(a[l], b[l], c[l]))
FP1(rcp_f64, f64, 1.0 / a[l])
FP1(sqrt_f64, f64, __builtin_sqrt(a[l]))
FP1(neg_f64, f64, -a[l])
FP1(abs_f64, f64, __builtin_fabs(a[l]))
FP1(rsqrt_f64, f64, 1.0 / __builtin_sqrt(a[l]))

FP2(copysign_f32, f32, __builtin_copysignf(b[l], a[l])) /* the sign of a, the magnitude of b */
FP2(copysign_f64, f64, __builtin_copysign(b[l], a[l]))
FP2(least_f32, f32, fp_canon(fp_min(a[l], b[l])))
FP2(most_f32, f32, fp_canon(fp_max(a[l], b[l])))
#ifdef __AVX512DQ__ /* vrange orders zeros as the GPU does, and takes numbers before quiet NaNs */
#define EXTREME(name, select, exact)                                                               \
    static void x_##name(ptx_warp *w, const ptx_insn *i)                                           \
    {                                                                                              \
        const f32 *a = IN(f32, i->a), *b = IN(f32, i->b);                                          \
        f32 *d = OUT(f32, i->d);                                                                   \
        const __m512 low = _mm512_range_ps(_mm512_load_ps(a), _mm512_load_ps(b), 4 | (select));    \
        const __m512 high =                                                                        \
            _mm512_range_ps(_mm512_load_ps(a + 16), _mm512_load_ps(b + 16), 4 | (select));         \
        if (w->whole != PTX_FULL || _mm512_cmp_ps_mask(low, high, _CMP_UNORD_Q)) {                 \
            x_##exact(w, i);                                                                       \
            return;                                                                                \
        }                                                                                          \
        _mm512_store_ps(d, low);                                                                   \
        _mm512_store_ps(d + 16, high);                                                             \
        PTX_CHAIN(w, i);                                                                           \
    }
EXTREME(min_f32, 0, least_f32)
EXTREME(max_f32, 1, most_f32)
#else
#define x_min_f32 x_least_f32
#define x_max_f32 x_most_f32
#endif
FP2(min_f64, f64, fp_min64(a[l], b[l]))
FP2(max_f64, f64, fp_max64(a[l], b[l]))

FP2(add_ftz, f32, fp_flush(fp_canon(fp_flush(a[l]) + fp_flush(b[l]))))
FP2(sub_ftz, f32, fp_flush(fp_canon(fp_flush(a[l]) - fp_flush(b[l]))))
FP2(mul_ftz, f32, fp_flush(fp_canon(fp_flush(a[l]) * fp_flush(b[l]))))
FP3(fma_ftz, f32,
    fp_flush(fp_canon(__builtin_fmaf(fp_flush(a[l]), fp_flush(b[l]), fp_flush(c[l])))))

/* ---- the general way ---- */

typedef enum fp_op {
    F_ADD, F_SUB, F_MUL, F_FMA, F_DIV, F_RCP, F_SQRT, F_NEG, F_ABS, F_MIN, F_MAX, F_MIN3, F_MAX3
} fp_op;

typedef struct lanes_f32 {
    f32 v[PTX_LANES] __attribute__((aligned(64)));
} lanes_f32;
typedef struct lanes_f64 {
    f64 v[PTX_LANES] __attribute__((aligned(64)));
} lanes_f64;

static f32 minmax(f32 x, f32 y, bool max, bool nan)
{
    return nan && (x != x || y != y) ? NAN : max ? fp_max(x, y) : fp_min(x, y);
}

/* Opaque: the compiler would move arithmetic across the changes of the rounding mode. */
__attribute__((noipa)) static void compute_f32(const ptx_insn *i, const lanes_f32 *x,
                                               const lanes_f32 *y, const lanes_f32 *z, lanes_f32 *r)
{
    bool nan = i->mods & PTX_NAN;
#define EVERY(expr) EACH_LANE(l) r->v[l] = (expr); break
    switch (i->op) {
    case F_ADD: EVERY(x->v[l] + y->v[l]);
    case F_SUB: EVERY(x->v[l] - y->v[l]);
    case F_MUL: EVERY(x->v[l] * y->v[l]);
    case F_FMA: EVERY(__builtin_fmaf(x->v[l], y->v[l], z->v[l]));
    case F_DIV: EVERY(x->v[l] / y->v[l]);
    case F_RCP: EVERY(1.0f / x->v[l]);
    case F_SQRT: EVERY(__builtin_sqrtf(x->v[l]));
    case F_NEG: EVERY(-x->v[l]);
    case F_ABS: EVERY(__builtin_fabsf(x->v[l]));
    case F_MIN: EVERY(minmax(x->v[l], y->v[l], false, nan));
    case F_MAX: EVERY(minmax(x->v[l], y->v[l], true, nan));
    case F_MIN3: EVERY(minmax(minmax(x->v[l], y->v[l], false, nan), z->v[l], false, nan));
    default: EVERY(minmax(minmax(x->v[l], y->v[l], true, nan), z->v[l], true, nan));
    }
}

__attribute__((noipa)) static void compute_f64(const ptx_insn *i, const f64 *x, const f64 *y,
                                               const f64 *z, lanes_f64 *r)
{
    switch (i->op) {
    case F_ADD: EVERY(x[l] + y[l]);
    case F_SUB: EVERY(x[l] - y[l]);
    case F_MUL: EVERY(x[l] * y[l]);
    case F_FMA: EVERY(__builtin_fma(x[l], y[l], z[l]));
    case F_DIV: EVERY(x[l] / y[l]);
    case F_RCP: EVERY(1.0 / x[l]);
    default: EVERY(__builtin_sqrt(x[l]));
    }
}

static void load_f32(const ptx_warp *w, const ptx_insn *i, uint32_t slot, lanes_f32 *x)
{
    const f32 *a = IN(f32, slot);
    EACH_LANE(l) x->v[l] = a[l];
    if (i->mods & PTX_FTZ)
        EACH_LANE(l) x->v[l] = fp_flush(x->v[l]);
    if (i->mods & PTX_ABS)
        EACH_LANE(l) x->v[l] = __builtin_fabsf(x->v[l]);
}

/* type: sources */
static void x_general_f32(ptx_warp *w, const ptx_insn *i)
{
    lanes_f32 x, y, z, r;
    load_f32(w, i, i->a, &x);
    if (i->type > 1)
        load_f32(w, i, i->b, &y);
    if (i->type > 2)
        load_f32(w, i, i->c, &z);
    fp_round_begin(i->mods & 3);
    compute_f32(i, &x, &y, &z, &r);
    fp_round_end(i->mods & 3);
    EACH_LANE(l) r.v[l] = fp_canon(r.v[l]);
    if (i->mods & PTX_FTZ)
        EACH_LANE(l) r.v[l] = fp_flush(r.v[l]);
    if (i->mods & PTX_SAT)
        EACH_LANE(l) r.v[l] = fp_sat(r.v[l]);
    if (i->flags & PTX_IF_SIGNED) { /* .xorsign */
        const u32 *a = IN(u32, i->a), *b = IN(u32, i->b);
        EACH_LANE(l)
        if (r.v[l] == r.v[l]) r.v[l] = fp_of_bits(fp_bits(r.v[l]) | ((a[l] ^ b[l]) & 0x80000000));
    }
    f32 *d = OUT(f32, i->d);
    LANES_DENSE(f32, d, r.v[l]);
}

static void x_general_f64(ptx_warp *w, const ptx_insn *i)
{
    lanes_f64 r;
    const f64 *a = IN(f64, i->a), *b = i->type > 1 ? IN(f64, i->b) : a,
              *c = i->type > 2 ? IN(f64, i->c) : a;
    fp_round_begin(i->mods & 3);
    compute_f64(i, a, b, c, &r);
    fp_round_end(i->mods & 3);
    f64 *d = OUT(f64, i->d);
    LANES_DENSE(f64, d, r.v[l]);
}

/* ---- approximations ---- */

/* a (1/b) with the documented edge: above 2^126 the reciprocal has been flushed to zero */
static inline f32 div_approx(f32 a, f32 b)
{
    bool huge = __builtin_fabsf(b) > 0x1p126f;
    return huge ? a * __builtin_copysignf(0, b) : a / b;
}
FP2(div_approx, f32, fp_canon(div_approx(a[l], b[l])))
FP2(div_approx_ftz, f32, fp_flush(fp_canon(div_approx(fp_flush(a[l]), fp_flush(b[l])))))
FP2(div_ftz, f32, fp_flush(fp_canon(fp_flush(a[l]) / fp_flush(b[l]))))
FP1(rcp_ftz, f32, fp_flush(fp_canon(1.0f / fp_flush(a[l]))))
FP1(sqrt_ftz, f32, fp_canon(__builtin_sqrtf(fp_flush(a[l]))))
FP1(rsqrt_f32, f32, fp_canon((f32)(1.0 / __builtin_sqrt((f64)a[l]))))
FP1(rsqrt_ftz, f32, fp_canon((f32)(1.0 / __builtin_sqrt((f64)fp_flush(a[l])))))
FP1(ex2_f32, f32, fp_ex2(a[l]))
FP1(ex2_ftz, f32, fp_flush(fp_ex2(a[l])))

FP1(lg2_f32, f32, fp_lg2(a[l]))
FP1(lg2_ftz, f32, fp_lg2(fp_flush(a[l])))
FP1(tanh_f32, f32, fp_tanh(a[l]))

/* libm serves large arguments, infinities and NaN. */
static inline void run_trig(ptx_warp *w, const ptx_insn *i, u32 quarter)
{
    const f32 *a = IN(f32, i->a);
    f32 x[PTX_LANES], *d = OUT(f32, i->d);
    bool ftz = i->mods & PTX_FTZ;
    u32 beyond = 0;
    EACH_LANE(l) x[l] = ftz ? fp_flush(a[l]) : a[l];
    EACH_LANE(l) beyond |= __builtin_fabsf(x[l]) <= FP_TRIG_MAX ? 0 : 1u << l;
    if (beyond & w->exec)
        LANES_SPARSE(f32, d, fp_canon((f32)(quarter ? cos((f64)x[l]) : sin((f64)x[l]))));
    else
        LANES_DENSE(f32, d, fp_sine(x[l], quarter));
    if (ftz)
        LANES_DENSE(f32, d, fp_flush(d[l]));
}
static void x_sin(ptx_warp *w, const ptx_insn *i)
{
    run_trig(w, i, 0);
}
static void x_cos(ptx_warp *w, const ptx_insn *i)
{
    run_trig(w, i, 1);
}

/* rcp and rsqrt .approx.ftz.f64 see and give the upper words only. */
static f64 upper_word(f64 x)
{
    u64 b = fp_bits64(x) & 0xffffffff00000000;
    if (!(b >> 52 & 2047))
        b &= 1ull << 63;
    return x == x ? fp_of_bits64(b) : fp_of_bits64(0x7fffffff00000000);
}
FP1(rcp_upper, f64, upper_word(1.0 / upper_word(a[l])))
FP1(rsqrt_upper, f64, upper_word(1.0 / __builtin_sqrt(upper_word(a[l]))))

/* ---- testp ---- */

enum { TEST_FINITE, TEST_INFINITE, TEST_NUMBER, TEST_NOTANUMBER, TEST_NORMAL, TEST_SUBNORMAL };

static void x_testp(ptx_warp *w, const ptx_insn *i)
{
    u32 m = 0;
    EACH_SET(l, w->exec) {
        int c = i->dsize == 8 ? fpclassify(IN(f64, i->a)[l]) : fpclassify(IN(f32, i->a)[l]);
        bool t = i->op == TEST_FINITE       ? c != FP_NAN && c != FP_INFINITE
                 : i->op == TEST_INFINITE   ? c == FP_INFINITE
                 : i->op == TEST_NUMBER     ? c != FP_NAN
                 : i->op == TEST_NOTANUMBER ? c == FP_NAN
                 : i->op == TEST_NORMAL     ? c == FP_NORMAL || c == FP_ZERO
                                            : c == FP_SUBNORMAL;
        m |= (u32)t << l;
    }
    ptx_set_pred(w, i->d, m);
}

static bool decode_testp(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    static const char *const names[] = {"finite",     "infinite", "number",
                                        "notanumber", "normal",   "subnormal"};
    for (uint8_t k = 0; k < WS_COUNT(names); k++)
        i->op = ptx_has(a, names[k]) ? k : i->op;
    i->dsize = (uint8_t)ptx_type_bytes(i->match->last);
    i->run = x_testp;
    return ptx_alu_pred_dst(d, &a->operand[0], &i->d) && ptx_alu_operands(d, a, i);
}

/* ---- decoding ---- */

typedef struct form {
    ptx_handler f32, ftz, f64; /* the fast way, NULL: general */
} form;
static const form forms[] = {
    [F_ADD] = {x_add_f32, x_add_ftz, x_add_f64},    [F_SUB] = {x_sub_f32, x_sub_ftz, x_sub_f64},
    [F_MUL] = {x_mul_f32, x_mul_ftz, x_mul_f64},    [F_FMA] = {x_fma_f32, x_fma_ftz, x_fma_f64},
    [F_DIV] = {x_div_f32, x_div_ftz, x_div_f64},    [F_RCP] = {x_rcp_f32, x_rcp_ftz, x_rcp_f64},
    [F_SQRT] = {x_sqrt_f32, x_sqrt_ftz, x_sqrt_f64}, [F_NEG] = {x_neg_f32, NULL, x_neg_f64},
    [F_ABS] = {x_abs_f32, NULL, x_abs_f64},         [F_MIN] = {x_min_f32, NULL, x_min_f64},
    [F_MAX] = {x_max_f32, NULL, x_max_f64},         [F_MIN3] = {NULL, NULL, NULL},
    [F_MAX3] = {NULL, NULL, NULL},
};

static bool decode_fp(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    const form *f = &forms[i->op];
    bool approx = ptx_has(a, "approx");
    ptx_mods(a, i);
    if (ptx_has(a, "abs"))
        i->mods |= PTX_ABS;
    if (ptx_has(a, "xorsign"))
        i->flags |= PTX_IF_SIGNED;
    if (i->match->last == PTX_f64) {
        i->unit = i->op == F_MIN || i->op == F_MAX ? i->unit : PTX_UNIT_F64;
        i->run = approx ? x_rcp_upper : i->mods & 3 ? x_general_f64 : f->f64;
    } else if (i->mods & ~PTX_FTZ || i->flags || !(i->mods ? f->ftz : f->f32)) {
        i->run = x_general_f32;
    } else {
        i->run = i->mods ? f->ftz : f->f32;
    }
    if (approx && i->op == F_DIV)
        i->run = i->mods & PTX_FTZ ? x_div_approx_ftz : x_div_approx;
    i->fma = i->op == F_FMA;
    i->type = (uint8_t)(a->n_operands - 1);
    return ptx_alu_operands(d, a, i);
}

/* f32 only, always .approx */
static bool decode_approx(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    static const ptx_handler table[][2] = {
        {x_ex2_f32, x_ex2_ftz}, {x_lg2_f32, x_lg2_ftz}, {x_sin, x_sin},
        {x_cos, x_cos},         {x_tanh_f32, NULL},
    };
    ptx_mods(a, i);
    i->run = table[i->op][i->mods == PTX_FTZ];
    return ptx_alu_operands(d, a, i);
}

static bool decode_rsqrt(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    static const ptx_handler table[2][2] = {{x_rsqrt_f32, x_rsqrt_ftz}, {x_rsqrt_f64, x_rsqrt_upper}};
    i->run = table[i->match->last == PTX_f64][ptx_has(a, "ftz")];
    return ptx_alu_operands(d, a, i);
}

static bool decode_copysign(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->run = i->match->last == PTX_f32 ? x_copysign_f32 : x_copysign_f64;
    return ptx_alu_operands(d, a, i);
}

const ptx_op_row ptx_ops_fp[] = {
    {"add{.$rnd}{.ftz}{.sat}.f32 d, a, b", decode_fp, F_ADD, PTX_UNIT_F32},
    {"add{.$rnd}.f64 d, a, b", decode_fp, F_ADD, PTX_UNIT_F32},
    {"sub{.$rnd}{.ftz}{.sat}.f32 d, a, b", decode_fp, F_SUB, PTX_UNIT_F32},
    {"sub{.$rnd}.f64 d, a, b", decode_fp, F_SUB, PTX_UNIT_F32},
    {"mul{.$rnd}{.ftz}{.sat}.f32 d, a, b", decode_fp, F_MUL, PTX_UNIT_F32},
    {"mul{.$rnd}.f64 d, a, b", decode_fp, F_MUL, PTX_UNIT_F32},
    {"fma.$rnd{.ftz}{.sat}.f32 d, a, b, c", decode_fp, F_FMA, PTX_UNIT_F32},
    {"fma.$rnd.f64 d, a, b, c", decode_fp, F_FMA, PTX_UNIT_F32},
    {"mad.$rnd{.ftz}{.sat}.f32 d, a, b, c", decode_fp, F_FMA, PTX_UNIT_F32},
    {"mad.$rnd.f64 d, a, b, c", decode_fp, F_FMA, PTX_UNIT_F32},
    {"div.$rnd{.ftz}.f32 d, a, b", decode_fp, F_DIV, PTX_UNIT_SFU},
    {"div.(full approx){.ftz}.f32 d, a, b", decode_fp, F_DIV, PTX_UNIT_SFU},
    {"div.$rnd.f64 d, a, b", decode_fp, F_DIV, PTX_UNIT_SFU},
    {"rcp.$rnd{.ftz}.f32 d, a", decode_fp, F_RCP, PTX_UNIT_SFU},
    {"rcp.approx{.ftz}.f32 d, a", decode_fp, F_RCP, PTX_UNIT_SFU},
    {"rcp.$rnd.f64 d, a", decode_fp, F_RCP, PTX_UNIT_SFU},
    {"rcp.approx.ftz.f64 d, a", decode_fp, F_RCP, PTX_UNIT_SFU},
    {"sqrt.$rnd{.ftz}.f32 d, a", decode_fp, F_SQRT, PTX_UNIT_SFU},
    {"sqrt.approx{.ftz}.f32 d, a", decode_fp, F_SQRT, PTX_UNIT_SFU},
    {"sqrt.$rnd.f64 d, a", decode_fp, F_SQRT, PTX_UNIT_SFU},
    {"rsqrt.approx{.ftz}.(f32 f64) d, a", decode_rsqrt, 0, PTX_UNIT_SFU},
    {"neg{.ftz}.f32 d, a", decode_fp, F_NEG, PTX_UNIT_F32},
    {"neg.f64 d, a", decode_fp, F_NEG, PTX_UNIT_F32},
    {"abs{.ftz}.f32 d, a", decode_fp, F_ABS, PTX_UNIT_F32},
    {"abs.f64 d, a", decode_fp, F_ABS, PTX_UNIT_F32},
    {"min{.ftz}{.NaN}.f32 d, a, b", decode_fp, F_MIN, PTX_UNIT_SELECT},
    {"min{.ftz}{.NaN}.xorsign.abs.f32 d, a, b", decode_fp, F_MIN, PTX_UNIT_SELECT},
    {"min{.ftz}{.NaN}{.abs}.f32 d, a, b, c", decode_fp, F_MIN3, PTX_UNIT_SELECT},
    {"min.f64 d, a, b", decode_fp, F_MIN, PTX_UNIT_SELECT},
    {"max{.ftz}{.NaN}.f32 d, a, b", decode_fp, F_MAX, PTX_UNIT_SELECT},
    {"max{.ftz}{.NaN}.xorsign.abs.f32 d, a, b", decode_fp, F_MAX, PTX_UNIT_SELECT},
    {"max{.ftz}{.NaN}{.abs}.f32 d, a, b, c", decode_fp, F_MAX3, PTX_UNIT_SELECT},
    {"max.f64 d, a, b", decode_fp, F_MAX, PTX_UNIT_SELECT},
    {"ex2.approx{.ftz}.f32 d, a", decode_approx, 0, PTX_UNIT_SFU},
    {"lg2.approx{.ftz}.f32 d, a", decode_approx, 1, PTX_UNIT_SFU},
    {"sin.approx{.ftz}.f32 d, a", decode_approx, 2, PTX_UNIT_SFU},
    {"cos.approx{.ftz}.f32 d, a", decode_approx, 3, PTX_UNIT_SFU},
    {"tanh.approx.f32 d, a", decode_approx, 4, PTX_UNIT_SFU},
    {"copysign.(f32 f64) d, a, b", decode_copysign, 0, PTX_UNIT_F32},
    {"testp.(finite infinite number notanumber normal subnormal).(f32 f64) p, a",
     decode_testp, 0, PTX_UNIT_SELECT},
    {0},
};
