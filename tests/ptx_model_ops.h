/* The instructions of the model: which function is whose. */
#ifndef TESTS_PTX_MODEL_OPS_H
#define TESTS_PTX_MODEL_OPS_H

#include "tests/ptx_model.h"

/* ---- integers ---- */

static inline bool model_signed(ptx_type t)
{
    return t == PTX_s8 || t == PTX_s16 || t == PTX_s32 || t == PTX_s64;
}
static inline int model_bits(const model *x)
{
    return 8 * (int)ptx_type_bytes(x->m->last);
}
static inline uint64_t model_mask(int bits)
{
    return bits >= 64 ? UINT64_MAX : (1ull << bits) - 1;
}
static inline wide model_value(uint64_t v, int bits, bool is_signed)
{
    v &= model_mask(bits);
    return is_signed && v >> (bits - 1) & 1 ? (wide)v - ((wide)1 << bits) : (wide)v;
}
/* Source k as a number of the instruction's type. */
static inline wide model_int(const model *x, int k)
{
    return model_value(x->src[k][0], model_bits(x), model_signed(x->m->last));
}
static inline void model_put(model *x, wide v, int bits)
{
    x->d[0][0] = (uint64_t)v & model_mask(bits);
}
static inline wide model_clamp(wide v, int bits, bool is_signed)
{
    wide low = is_signed ? -((wide)1 << (bits - 1)) : 0;
    wide high = is_signed ? ((wide)1 << (bits - 1)) - 1 : ((wide)1 << bits) - 1;
    return v < low ? low : v > high ? high : v;
}
/* sat of s32 */
static inline void model_put_sat(model *x, wide v)
{
    model_put(x, model_has(x, "sat") ? model_clamp(v, 32, true) : v, model_bits(x));
}

static inline bool model_has16x2(const model *x)
{
    return model_has(x, "u16x2") || model_has(x, "s16x2");
}
/* Each half of packed operands by fn. */
static inline void model_16x2(model *x, wide (*fn)(const model *, wide, wide))
{
    bool s = model_has(x, "s16x2");
    x->d[0][0] = 0;
    for (int k = 0; k < 32; k += 16) {
        wide v =
            fn(x, model_value(x->src[0][0] >> k, 16, s), model_value(x->src[1][0] >> k, 16, s));
        x->d[0][0] |= ((uint64_t)v & 0xffff) << k;
    }
}
static inline wide model_sum(const model *x, wide a, wide b)
{
    (void)x;
    return a + b;
}
static inline wide model_least(const model *x, wide a, wide b)
{
    wide v = a < b ? a : b;
    return model_has(x, "relu") && v < 0 ? 0 : v;
}
static inline wide model_most(const model *x, wide a, wide b)
{
    wide v = a > b ? a : b;
    return model_has(x, "relu") && v < 0 ? 0 : v;
}

static inline bool model_is_fp(const model *x)
{
    return model_format(x->m->last) != NULL || model_has(x, "f32x2");
}

/* add, sub with and without carry */
static inline bool model_carry(model *x, wide v)
{
    int bits = model_bits(x);
    if (model_has(x, "cc"))
        x->carry = (uint64_t)(v >> bits) & 1;
    model_put(x, v, bits);
    return true;
}
static inline uint64_t model_u(const model *x, int k)
{
    return x->src[k][0] & model_mask(model_bits(x));
}
static inline bool op_add(model *x)
{
    if (x->m->first == PTX_f32 && x->m->last != PTX_f32)
        model_mixed(x, false, 1);
    else if (model_is_fp(x))
        model_fp(x, model_add);
    else if (model_has16x2(x))
        model_16x2(x, model_sum);
    else if (model_has(x, "cc"))
        return model_carry(x, (wide)model_u(x, 0) + model_u(x, 1));
    else
        model_put_sat(x, model_int(x, 0) + model_int(x, 1));
    return true;
}
static inline bool op_sub(model *x)
{
    if (x->m->first == PTX_f32 && x->m->last != PTX_f32)
        model_mixed(x, false, -1);
    else if (model_is_fp(x))
        model_fp(x, model_sub);
    else if (model_has(x, "cc"))
        return model_carry(x, (wide)model_u(x, 0) - model_u(x, 1));
    else
        model_put_sat(x, model_int(x, 0) - model_int(x, 1));
    return true;
}
static inline bool op_addc(model *x)
{
    return model_carry(x, (wide)model_u(x, 0) + model_u(x, 1) + x->carry);
}
static inline bool op_subc(model *x)
{
    return model_carry(x, (wide)model_u(x, 0) - model_u(x, 1) - x->carry);
}
__extension__ typedef unsigned __int128 uwide; /* signed sums and products must not overflow */
static inline wide model_product(const model *x)
{
    wide p = (wide)((uwide)model_int(x, 0) * (uwide)model_int(x, 1));
    return model_has(x, "hi") ? p >> model_bits(x) : p;
}
static inline bool op_mul(model *x)
{
    if (model_is_fp(x))
        model_fp(x, model_mul);
    else
        model_put(x, model_product(x), model_bits(x) * (model_has(x, "wide") ? 2 : 1));
    return true;
}
static inline bool op_mad(model *x)
{
    bool is_wide = model_has(x, "wide");
    int bits = model_bits(x) * (is_wide ? 2 : 1);
    if (model_is_fp(x)) {
        model_fp(x, model_fma);
        return true;
    }
    wide c = model_value(x->src[2][0], bits, model_signed(x->m->last));
    if (model_has(x, "cc"))
        return model_carry(x,
                           (wide)((uint64_t)model_product(x) & model_mask(bits)) + model_u(x, 2));
    if (model_has(x, "sat"))
        model_put_sat(x, model_product(x) + c);
    else
        model_put(x, (wide)((uwide)model_product(x) + (uwide)c), bits);
    return true;
}
static inline bool op_madc(model *x)
{
    uint64_t p = (uint64_t)model_product(x) & model_mask(model_bits(x));
    return model_carry(x, (wide)p + model_u(x, 2) + x->carry);
}
static inline bool op_mul24(model *x)
{
    bool s = model_signed(x->m->last);
    wide p = model_value(x->src[0][0], 24, s) * model_value(x->src[1][0], 24, s);
    p = model_has(x, "hi") ? p >> 16 : p;
    p = model_value((uint64_t)p, 32, s);
    if (x->n_src == 3)
        p += model_int(x, 2);
    model_put(x, model_has(x, "sat") ? model_clamp(p, 32, true) : p, 32);
    return true;
}
static inline bool op_fma(model *x)
{
    if (x->m->first == PTX_f32 && x->m->last != PTX_f32)
        model_mixed(x, true, 1);
    else
        model_fp(x, model_fma);
    return true;
}
static inline bool op_div(model *x)
{
    const format *f = model_format(x->m->last);
    if (!f) {
        if (model_int(x, 1) == 0)
            return false; /* unspecified */
        model_put(x, model_int(x, 0) / model_int(x, 1), model_bits(x));
    } else if (model_has(x, "approx") || model_has(x, "full")) {
        double a = model_flush(f, model_decode(f, x->src[0][0]), model_has(x, "ftz"));
        double b = model_flush(f, model_decode(f, x->src[1][0]), model_has(x, "ftz"));
        bool far = model_has(x, "approx") && fabs(b) > ldexp(1, 126) && isfinite(b);
        if (far || (fabs(b) < ldexp(1, -126) && b != 0)) /* beyond the range of the bound */
            return false;
        model_approx(x, (long double)a / b, ldexp(1, -22), 0);
    } else {
        model_fp(x, model_div);
    }
    return true;
}
static inline bool op_rem(model *x)
{
    if (model_int(x, 1) == 0)
        return false;
    model_put(x, model_int(x, 0) % model_int(x, 1), model_bits(x));
    return true;
}
static inline bool op_and(model *x)
{
    if (x->m->last == PTX_pred)
        x->p = x->src[0][0] & x->src[1][0];
    model_put(x, x->src[0][0] & x->src[1][0], 64);
    return true;
}
static inline bool op_or(model *x)
{
    if (x->m->last == PTX_pred)
        x->p = x->src[0][0] | x->src[1][0];
    model_put(x, x->src[0][0] | x->src[1][0], 64);
    return true;
}
static inline bool op_xor(model *x)
{
    if (x->m->last == PTX_pred)
        x->p = x->src[0][0] ^ x->src[1][0];
    model_put(x, x->src[0][0] ^ x->src[1][0], 64);
    return true;
}
static inline bool op_not(model *x)
{
    if (x->m->last == PTX_pred)
        x->p = !x->src[0][0];
    model_put(x, (wide)~x->src[0][0], x->m->last == PTX_pred ? 1 : model_bits(x));
    return true;
}
static inline bool op_cnot(model *x)
{
    model_put(x, model_u(x, 0) == 0, 64);
    return true;
}
static inline bool op_shl(model *x)
{
    uint32_t n = (uint32_t)x->src[1][0];
    model_put(x, n >= (uint32_t)model_bits(x) ? 0 : (wide)model_u(x, 0) << n, model_bits(x));
    return true;
}
static inline bool op_shr(model *x)
{
    uint32_t n = (uint32_t)x->src[1][0], most = (uint32_t)model_bits(x);
    model_put(x, model_int(x, 0) >> (n > most ? most : n), model_bits(x));
    return true;
}
static inline bool op_min(model *x)
{
    if (model_is_fp(x))
        model_fp(x, model_min);
    else if (model_has16x2(x))
        model_16x2(x, model_least);
    else
        model_put(x, model_least(x, model_int(x, 0), model_int(x, 1)), model_bits(x));
    return true;
}
static inline bool op_max(model *x)
{
    if (model_is_fp(x))
        model_fp(x, model_max);
    else if (model_has16x2(x))
        model_16x2(x, model_most);
    else
        model_put(x, model_most(x, model_int(x, 0), model_int(x, 1)), model_bits(x));
    return true;
}
static inline bool op_neg(model *x)
{
    if (model_is_fp(x))
        model_fp(x, model_neg);
    else
        model_put(x, -model_int(x, 0), model_bits(x));
    return true;
}
static inline bool op_abs(model *x)
{
    if (model_is_fp(x))
        model_fp(x, model_abs);
    else
        model_put(x, model_int(x, 0) < 0 ? -model_int(x, 0) : model_int(x, 0), model_bits(x));
    return true;
}
static inline bool op_sad(model *x)
{
    wide a = model_int(x, 0), b = model_int(x, 1);
    model_put(x, model_int(x, 2) + (a < b ? b - a : a - b), model_bits(x));
    return true;
}
static inline bool op_popc(model *x)
{
    model_put(x, __builtin_popcountll(model_u(x, 0)), 32);
    return true;
}
static inline bool op_clz(model *x)
{
    int n = 0;
    for (int b = model_bits(x) - 1; b >= 0 && !(x->src[0][0] >> b & 1); b--)
        n++;
    model_put(x, n, 32);
    return true;
}
static inline bool op_bfind(model *x)
{
    uint64_t v = model_u(x, 0);
    if (model_int(x, 0) < 0)
        v = ~v & model_mask(model_bits(x));
    int b = model_bits(x) - 1;
    while (b >= 0 && !(v >> b & 1))
        b--;
    bool amount = model_has(x, "shiftamt");
    model_put(x, b < 0 ? -1 : amount ? model_bits(x) - 1 - b : b, 32);
    return true;
}
static inline bool op_brev(model *x)
{
    uint64_t v = 0;
    for (int b = 0; b < model_bits(x); b++)
        v |= (x->src[0][0] >> b & 1) << (model_bits(x) - 1 - b);
    x->d[0][0] = v;
    return true;
}
static inline bool op_bfe(model *x)
{
    int bits = model_bits(x), pos = (int)(x->src[1][0] & 0xff), len = (int)(x->src[2][0] & 0xff);
    bool s = model_signed(x->m->last);
    int top = pos + len - 1 < bits - 1 ? pos + len - 1 : bits - 1;
    bool sign = s && len && x->src[0][0] >> top & 1;
    uint64_t v = 0;
    for (int b = 0; b < bits; b++)
        v |= (uint64_t)(b < len && pos + b < bits ? x->src[0][0] >> (pos + b) & 1 : sign) << b;
    x->d[0][0] = v;
    return true;
}
static inline bool op_bfi(model *x)
{
    int bits = model_bits(x), pos = (int)(x->src[2][0] & 0xff), len = (int)(x->src[3][0] & 0xff);
    uint64_t v = model_u(x, 1);
    for (int b = 0; b < len && pos + b < bits; b++)
        v = (v & ~(1ull << (pos + b))) | (x->src[0][0] >> b & 1) << (pos + b);
    x->d[0][0] = v;
    return true;
}
static inline bool op_bmsk(model *x)
{
    uint32_t a = (uint32_t)x->src[0][0], b = (uint32_t)x->src[1][0];
    if (model_has(x, "wrap"))
        a &= 31, b &= 31;
    uint64_t end = (uint64_t)a + b;
    model_put(x, 0, 32);
    for (uint64_t k = a; k < 32 && k < end; k++)
        x->d[0][0] |= 1ull << k;
    return true;
}
static inline bool op_szext(model *x)
{
    uint32_t a = (uint32_t)x->src[0][0], n = (uint32_t)x->src[1][0];
    if (model_has(x, "wrap"))
        n &= 31;
    if (n >= 32)
        model_put(x, a, 32);
    else
        model_put(x, n ? model_value(a, (int)n, model_signed(x->m->last)) : 0, 32);
    return true;
}
static inline bool op_shf(model *x)
{
    uint64_t both = x->src[0][0] & 0xffffffff, n = x->src[2][0] & 0xffffffff;
    both |= x->src[1][0] << 32;
    n = model_has(x, "wrap") ? n & 31 : n > 32 ? 32 : n;
    x->d[0][0] =
        model_has(x, "l") ? (wide)(((uwide)both << n) >> 32) & 0xffffffff : both >> n & 0xffffffff;
    return true;
}
static inline bool op_lop3(model *x)
{
    uint64_t v = 0;
    for (int b = 0; b < 32; b++) {
        int k = (int)((x->src[0][0] >> b & 1) << 2 | (x->src[1][0] >> b & 1) << 1 |
                      (x->src[2][0] >> b & 1));
        v |= (x->imm >> k & 1) << b;
    }
    x->d[0][0] = v;
    bool r = v != 0;
    x->q = model_has(x, "and") ? r && x->src[3][0] : r || x->src[3][0];
    return true;
}
static inline uint64_t model_byte(uint64_t v, uint64_t k)
{
    return v >> (8 * (k & 7)) & 0xff;
}
static inline bool op_prmt(model *x)
{
    static const struct {
        const char *name;
        uint8_t pick[4][4]; /* by c & 3: bytes d0..d3 */
    } modes[] = {
        {"f4e", {{0, 1, 2, 3}, {1, 2, 3, 4}, {2, 3, 4, 5}, {3, 4, 5, 6}}},
        {"b4e", {{0, 7, 6, 5}, {1, 0, 7, 6}, {2, 1, 0, 7}, {3, 2, 1, 0}}},
        {"rc8", {{0, 0, 0, 0}, {1, 1, 1, 1}, {2, 2, 2, 2}, {3, 3, 3, 3}}},
        {"ecl", {{0, 1, 2, 3}, {1, 1, 2, 3}, {2, 2, 2, 3}, {3, 3, 3, 3}}},
        {"ecr", {{0, 0, 0, 0}, {0, 1, 1, 1}, {0, 1, 2, 2}, {0, 1, 2, 3}}},
        {"rc16", {{0, 1, 0, 1}, {2, 3, 2, 3}, {0, 1, 0, 1}, {2, 3, 2, 3}}},
    };
    uint64_t both = (x->src[0][0] & 0xffffffff) | x->src[1][0] << 32, c = x->src[2][0], v = 0;
    int mode = -1;
    for (int k = 0; k < 6; k++)
        mode = model_has(x, modes[k].name) ? k : mode;
    for (int b = 0; b < 4; b++) {
        uint64_t sel = mode < 0 ? c >> (4 * b) & 15 : modes[mode].pick[c & 3][b];
        uint64_t byte = model_byte(both, sel);
        if (mode < 0 && sel & 8)
            byte = byte & 0x80 ? 0xff : 0;
        v |= byte << (8 * b);
    }
    x->d[0][0] = v;
    return true;
}
/* The two types of dp4a and dp2a. */
static inline void model_dot_types(const model *x, bool is_signed[2])
{
    int n = 0;
    for (int w = 0; w < x->m->form->n_words && n < 2; w++)
        if (x->m->words >> w & 1 && x->m->form->word_type[w] != PTX_TYPE_NONE)
            is_signed[n++] = model_signed(x->m->form->word_type[w]);
}
static inline bool op_dp4a(model *x)
{
    bool s[2];
    wide sum = (int32_t)x->src[2][0];
    model_dot_types(x, s);
    for (int k = 0; k < 32; k += 8)
        sum += model_value(x->src[0][0] >> k, 8, s[0]) * model_value(x->src[1][0] >> k, 8, s[1]);
    model_put(x, sum, 32);
    return true;
}
static inline bool op_dp2a(model *x)
{
    bool s[2];
    wide sum = (int32_t)x->src[2][0];
    int from = model_has(x, "hi") ? 16 : 0;
    model_dot_types(x, s);
    for (int k = 0; k < 2; k++)
        sum += model_value(x->src[0][0] >> (16 * k), 16, s[0]) *
               model_value(x->src[1][0] >> (from + 8 * k), 8, s[1]);
    model_put(x, sum, 32);
    return true;
}

/* ---- floating point with one operand ---- */

static inline double model_source(const model *x)
{
    const format *f = model_format(x->m->last);
    return model_flush(f, model_decode(f, x->src[0][0]), model_has(x, "ftz"));
}
static inline bool op_rcp(model *x)
{
    if (!model_has(x, "approx"))
        model_fp(x, model_rcp);
    else if (x->m->last == PTX_f64)
        return false; /* the upper word alone: t_ptx_alu */
    else
        model_approx(x, 1.0L / model_source(x), ldexp(1, -23), 0);
    return true;
}
static inline bool op_sqrt(model *x)
{
    if (model_has(x, "approx"))
        model_approx(x, sqrtl(model_source(x)), ldexp(1, -23), 0);
    else
        model_fp(x, model_sqrt);
    return true;
}
static inline bool op_rsqrt(model *x)
{
    if (x->m->last == PTX_f64 && model_has(x, "ftz"))
        return false;
    model_approx(x, 1.0L / sqrtl(model_source(x)),
                 x->m->last == PTX_f64 ? ldexp(1, -20) : exp2(-22.9), 0);
    return true;
}
static inline bool op_copysign(model *x)
{
    model_fp(x, model_copysign);
    return true;
}
/* Halves: by the bound of their own text. */
static inline bool model_half_approx(model *x, long double (*fn)(long double), double relative,
                                     double absolute)
{
    if (model_is_pair(x->m->last))
        x->src[0][0] &= 0xffff; /* the lower one */
    model_approx(x, fn(model_source(x)), relative, absolute);
    return true;
}
static inline bool op_ex2(model *x)
{
    if (x->m->last == PTX_f32)
        model_approx(x, exp2l(model_source(x)), ldexp(1, -22), 0);
    else
        return model_half_approx(
            x, exp2l, model_format(x->m->last) == &FORMAT_F16 ? exp2(-9.9) : ldexp(1, -7), 0);
    return true;
}
static inline bool op_lg2(model *x)
{
    double v = model_source(x);
    bool near = v > 0.5 && v < 2;
    model_approx(x, log2l(v), near ? 0 : ldexp(1, -22), near ? ldexp(1, -22) : 0);
    return true;
}
static inline bool model_trig(model *x, long double (*fn)(long double))
{
    double v = model_source(x);
    if (isfinite(v) && fabs(v) > 100 * M_PI)
        return false; /* no bound */
    model_approx(x, isinf(v) ? NAN : fn(v), 0, fabs(v) <= 2 * M_PI ? exp2(-20.5) : exp2(-14.7));
    return true;
}
static inline bool op_sin(model *x)
{
    return model_trig(x, sinl);
}
static inline bool op_cos(model *x)
{
    return model_trig(x, cosl);
}
static inline bool op_tanh(model *x)
{
    if (x->m->last == PTX_f32)
        model_approx(x, tanhl(model_source(x)), ldexp(1, -11), 0);
    else
        return model_half_approx(
            x, tanhl, 0, model_format(x->m->last) == &FORMAT_F16 ? exp2(-10.987) : ldexp(1, -8));
    return true;
}
static inline bool op_testp(model *x)
{
    double v = model_decode(model_format(x->m->last), x->src[0][0]);
    double least = ldexp(1, model_format(x->m->last)->emin);
    x->p = model_has(x, "finite")       ? isfinite(v)
           : model_has(x, "infinite")   ? isinf(v)
           : model_has(x, "number")     ? !isnan(v)
           : model_has(x, "notanumber") ? isnan(v)
           : model_has(x, "normal")     ? isfinite(v) && (fabs(v) >= least || v == 0)
                                        : isfinite(v) && fabs(v) < least && v != 0;
    return true;
}

/* ---- comparisons, selections ---- */

typedef struct relation {
    const char *name;
    bool less, equal, greater, unordered;
} relation;
static const relation relations[] = {
    {"eq", 0, 1, 0, 0},  {"ne", 1, 0, 1, 0},  {"lt", 1, 0, 0, 0},  {"le", 1, 1, 0, 0},
    {"gt", 0, 0, 1, 0},
    {"ge", 0, 1, 1, 0},  {"lo", 1, 0, 0, 0},  {"ls", 1, 1, 0, 0},  {"hi", 0, 0, 1, 0},
    {"hs", 0, 1, 1, 0},
    {"equ", 0, 1, 0, 1}, {"neu", 1, 0, 1, 1}, {"ltu", 1, 0, 0, 1}, {"leu", 1, 1, 0, 1},
    {"gtu", 0, 0, 1, 1},
    {"geu", 0, 1, 1, 1}, {"num", 1, 1, 1, 0}, {"nan", 0, 0, 0, 1},
};

static inline bool model_compare(const model *x, int half)
{
    const format *f = model_format(x->m->last);
    bool less, greater, unordered = false;
    const relation *r = NULL;
    for (size_t k = 0; k < sizeof relations / sizeof *relations; k++)
        if (model_has(x, relations[k].name))
            r = &relations[k];
    if (f) {
        bool ftz = model_has(x, "ftz");
        double a = model_flush(f, model_decode(f, model_half_of(x->src[0][0], half, f)), ftz);
        double b = model_flush(f, model_decode(f, model_half_of(x->src[1][0], half, f)), ftz);
        less = a < b;
        greater = a > b;
        unordered = isnan(a) || isnan(b);
    } else {
        less = model_int(x, 0) < model_int(x, 1);
        greater = model_int(x, 0) > model_int(x, 1);
    }
    return r && (unordered ? r->unordered : less ? r->less : greater ? r->greater : r->equal);
}
static inline bool model_join(const model *x, bool t)
{
    bool c = x->src[2][0] & 1;
    return model_has(x, "and")   ? t && c
           : model_has(x, "or")  ? t || c
           : model_has(x, "xor") ? t != c
                                 : t;
}
static inline bool op_setp(model *x)
{
    bool t = model_compare(x, 0);
    x->p = model_join(x, t);
    x->q = model_join(x, model_is_pair(x->m->last) ? model_compare(x, 1) : !t);
    return true;
}
static inline bool op_set(model *x)
{
    const format *f = model_format(x->m->first);
    bool pair = model_is_pair(x->m->last);
    int bits = pair ? 16 : 8 * (int)ptx_type_bytes(x->m->first);
    uint64_t yes = f ? model_encode(f, 1) : model_mask(bits);
    for (int k = 0; k < 1 + pair; k++)
        x->d[0][0] |= (model_join(x, model_compare(x, k)) ? yes : 0) << (16 * k);
    return true;
}
static inline bool op_selp(model *x)
{
    x->d[0][0] = x->src[x->src[2][0] & 1 ? 0 : 1][0];
    return true;
}
static inline bool op_slct(model *x)
{
    bool first = x->m->last == PTX_s32
                     ? (int32_t)x->src[2][0] >= 0
                     : model_flush(&FORMAT_F32, model_decode(&FORMAT_F32, x->src[2][0]),
                                   model_has(x, "ftz")) >= 0;
    x->d[0][0] = x->src[first ? 0 : 1][0];
    return true;
}
static inline bool op_mov(model *x)
{
    x->p = x->src[0][0] & 1;
    memcpy(x->d[0], x->src[0], 16);
    return true;
}

/* ---- conversions ---- */

/* An integer in double, rounded to odd. */
static inline double model_of_int(wide v)
{
    bool neg = v < 0, sticky = false;
    uwide m = neg ? -(uwide)v : (uwide)v;
    int e = 0;
    while (m >> 53) {
        sticky |= m & 1;
        m >>= 1;
        e++;
    }
    double r = ldexp((double)((uint64_t)m | sticky), e);
    return neg ? -r : r;
}
/* The same, rounded to double itself: by the hardware. */
static inline uint64_t model_f64_of_int(wide v, int mode)
{
    static const int direction[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
    volatile int64_t s = (int64_t)v;
    volatile uint64_t u = (uint64_t)v;
    fesetround(direction[mode]);
    volatile double r = v < 0 ? (double)s : (double)u;
    fesetround(FE_TONEAREST);
    return model_encode(&FORMAT_F64, r);
}
static inline wide model_to_int(double v, int mode, ptx_type t)
{
    int bits = 8 * (int)ptx_type_bytes(t);
    if (isnan(v))
        return 0;
    v = model_integral(v, mode);
    if (fabs(v) >= ldexp(1, 100))
        v = copysign(ldexp(1, 100), v);
    return model_clamp((wide)v, bits, model_signed(t));
}
static inline bool model_integral_mode(const model *x)
{
    return model_has(x, "rni") || model_has(x, "rzi") || model_has(x, "rmi") || model_has(x, "rpi");
}
/* Into `to` from double `v`, which is exact or rounded to odd. */
static inline uint64_t model_narrow(model *x, const format *to, double v)
{
    int mode = model_has(x, "rna") ? ROUND_AWAY : model_mode(x);
    bool flush = model_has(x, "ftz") && to == &FORMAT_F32;
    double r = model_integral_mode(x) ? model_integral(v, mode) : model_round(to, v, mode);
    if (model_integral_mode(x) && r == 0)
        r = copysign(0, v);
    r = model_flush(to, r, flush);
    if (model_has(x, "sat"))
        r = isnan(r) || r <= 0 ? 0 : r > 1 ? 1 : r;
    if (model_has(x, "relu"))
        r = r <= 0 ? 0 : r;
    if (model_has(x, "satfinite") && isinf(r))
        r = copysign(ldexp(2 - ldexp(1, 1 - to->digits), to->emax), r);
    x->any_nan = isnan(r);
    return model_encode(to, r);
}
static inline bool op_cvt(model *x)
{
    ptx_type to = x->m->first, from = x->m->last;
    const format *ft = model_format(to), *ff = model_format(from);
    int to_bits = 8 * (int)ptx_type_bytes(to);
    int n_types = 0; /* narrower formats than of 16 bits are none */
    for (int w = 0; w < x->m->form->n_words; w++)
        n_types += x->m->words >> w & 1 && x->m->form->word_type[w] != PTX_TYPE_NONE;
    if (n_types != 2 || model_has(x, "pack") || model_has(x, "rs") || to == PTX_e4m3x2 ||
        to == PTX_e5m2x2 || model_is_pair(from) || from == PTX_e4m3x2 || from == PTX_e5m2x2)
        return false; /* t_ptx_alu */
    if (!ft && !ff) {
        wide v = model_int(x, 0);
        if (model_has(x, "sat"))
            v = model_clamp(v, to_bits, model_signed(to));
        model_put(x, model_value((uint64_t)v, to_bits, model_signed(to)), 64);
        return true;
    }
    if (!ff) {
        bool direct = ft == &FORMAT_F64 && !model_has(x, "sat");
        x->d[0][0] = direct ? model_f64_of_int(model_int(x, 0), model_mode(x))
                            : model_narrow(x, ft, model_of_int(model_int(x, 0)));
        return true;
    }
    double v =
        model_flush(ff, model_decode(ff, x->src[0][0]), model_has(x, "ftz") && ff == &FORMAT_F32);
    if (!ft) {
        bool top = isnan(v) && (ff == &FORMAT_F64 || to_bits == 64); /* else 0 */
        model_put(x,
                  top ? model_value(1ull << (to_bits - 1), to_bits, model_signed(to))
                      : model_to_int(v, model_mode(x), to),
                  64);
        return true;
    }
    if (model_is_pair(to)) { /* d = {a, b}: a is the upper half */
        uint64_t upper = model_narrow(x, ft, v);
        uint64_t lower = model_narrow(
            x, ft, model_flush(ff, model_decode(ff, x->src[1][0]), model_has(x, "ftz")));
        x->any_nan = false;
        x->d[0][0] = upper << 16 | lower;
        return true;
    }
    x->d[0][0] = model_narrow(x, ft, v);
    return true;
}

/* ---- memory ---- */

static inline bool op_ld(model *x)
{
    uint32_t bytes = ptx_type_bytes(x->m->last);
    for (int e = 0; e < (x->m->vector ? x->m->vector : 1); e++) {
        memcpy(x->d[e], x->memory + (uint32_t)e * bytes, bytes);
        if (bytes == 1) /* the register is wider */
            x->d[e][0] = (uint64_t)model_value(x->d[e][0], 8, model_signed(x->m->last));
    }
    return true;
}
static inline bool op_st(model *x)
{
    uint32_t bytes = ptx_type_bytes(x->m->last);
    for (int e = 0; e < (x->m->vector ? x->m->vector : 1); e++)
        memcpy(x->memory + (uint32_t)e * bytes, x->src[e], bytes);
    return true;
}
/* One element of atom and red: the new value. */
static inline uint64_t model_step(model *x, uint64_t old, uint64_t b, uint64_t c)
{
    ptx_type t = x->m->last;
    const format *f = model_format(t);
    int bits = 8 * (int)ptx_type_bytes(t);
    bool s = model_signed(t);
    wide v = model_value(old, bits, s), w = model_value(b, bits, s);
    uint64_t r = 0;
    if (model_has(x, "exch"))
        return b;
    if (model_has(x, "cas"))
        return (old & model_mask(bits)) == (b & model_mask(bits)) ? c : old;
    if (model_has(x, "and") || model_has(x, "or") || model_has(x, "xor"))
        return model_has(x, "and") ? old & b : model_has(x, "or") ? old | b : old ^ b;
    if (model_has(x, "inc"))
        return (uint32_t)old >= (uint32_t)b ? 0 : old + 1;
    if (model_has(x, "dec"))
        return (uint32_t)old == 0 || (uint32_t)old > (uint32_t)b ? b : old - 1;
    if (!f)
        return (uint64_t)(model_has(x, "min")   ? (v < w ? v : w)
                          : model_has(x, "max") ? (v > w ? v : w)
                                                : v + w);
    bool shared =
        model_has(x, "shared") || model_has(x, "shared::cta") || model_has(x, "shared::cluster");
    bool flush = t == PTX_f32 && model_has(x, "add") && !shared; /* sums in global memory */
    for (int k = 0; k < 1 + model_is_pair(t); k++) {
        double p = model_flush(f, model_decode(f, model_half_of(old, k, f)), flush);
        double q = model_flush(f, model_decode(f, model_half_of(b, k, f)), flush);
        double sum = model_has(x, "add") ? model_compute(f, EXACT_ADD, p, q, 0, ROUND_NEAREST)
                                         : model_lesser(x, p, q, model_has(x, "max"));
        sum = model_flush(f, sum, flush);
        r |= model_encode(f, sum) << (16 * k);
    }
    return r;
}
static inline bool op_atom(model *x)
{
    uint32_t bytes = ptx_type_bytes(x->m->last);
    int n = x->m->vector ? x->m->vector : 1;
    if (bytes > 8)
        return false;
    for (int e = 0; e < n; e++) {
        uint64_t old = 0;
        memcpy(&old, x->memory + (uint32_t)e * bytes, bytes);
        uint64_t new = model_step(x, old, x->src[e][0], x->src[n][0]);
        memcpy(x->memory + (uint32_t)e * bytes, &new, bytes);
        x->d[e][0] = old;
    }
    return true;
}

/* ---- which is whose ---- */

static const struct {
    const char *opcode;
    bool (*run)(
        model *x); /* false: the ISA leaves this result open, or the model does not know it */
} model_ops[] = {
    {"add", op_add},     {"addc", op_addc},   {"sub", op_sub},     {"subc", op_subc},
    {"mul", op_mul},
    {"mad", op_mad},     {"madc", op_madc},   {"mul24", op_mul24}, {"mad24", op_mul24},
    {"fma", op_fma},
    {"div", op_div},     {"rem", op_rem},     {"and", op_and},     {"or", op_or},
    {"xor", op_xor},
    {"not", op_not},     {"cnot", op_cnot},   {"shl", op_shl},     {"shr", op_shr},
    {"min", op_min},
    {"max", op_max},     {"neg", op_neg},     {"abs", op_abs},     {"sad", op_sad},
    {"popc", op_popc},
    {"clz", op_clz},     {"bfind", op_bfind}, {"brev", op_brev},   {"bfe", op_bfe},
    {"bfi", op_bfi},
    {"bmsk", op_bmsk},   {"szext", op_szext}, {"shf", op_shf},     {"lop3", op_lop3},
    {"prmt", op_prmt},
    {"dp4a", op_dp4a},   {"dp2a", op_dp2a},   {"rcp", op_rcp},     {"sqrt", op_sqrt},
    {"rsqrt", op_rsqrt},
    {"ex2", op_ex2},     {"lg2", op_lg2},     {"sin", op_sin},     {"cos", op_cos},
    {"tanh", op_tanh},
    {"testp", op_testp}, {"setp", op_setp},   {"set", op_set},     {"selp", op_selp},
    {"slct", op_slct},
    {"mov", op_mov},     {"cvt", op_cvt},     {"ld", op_ld},       {"ldu", op_ld},
    {"st", op_st},
    {"atom", op_atom},   {"red", op_atom},    {"copysign", op_copysign},
};

#endif
