/* What the arithmetic, conversion, comparison and memory instructions of the PTX ISA compute, one
 * lane at a time, written from the manual (chapter 9.7) with other means than the engine's: exact
 * sums and products in double, rounded to odd, then rounded once to the format; integers in 128
 * bits. */
#ifndef TESTS_PTX_MODEL_H
#define TESTS_PTX_MODEL_H

#include "harness/ptx/ops.h"

#include <fenv.h>
#include <math.h>
#include <string.h>

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 uwide;
enum { MODEL_SOURCES = 16, MODEL_MEMORY = 64 };

typedef struct model {
    const ptx_match *m;
    uint64_t src[MODEL_SOURCES][2]; /* operands after the result, in order; predicates as 0 or 1 */
    int n_src;
    uint64_t imm;                   /* the immediate operand */
    uint8_t memory[MODEL_MEMORY];   /* at the address operand */
    bool carry;
    /* results */
    uint64_t d[8][2];               /* elements of the result */
    bool p, q;
    double low, high;               /* when is_range: the result lies between */
    bool is_range, any_nan;         /* any_nan: the result is a NaN, of whatever payload */
} model;

static inline bool model_has(const model *x, const char *word)
{
    for (int w = 0; w < x->m->form->n_words; w++)
        if (x->m->words >> w & 1 && ws_str_eqz(x->m->form->word[w], word))
            return true;
    return false;
}

/* ---- formats ---- */

typedef struct format {
    int digits, emin, emax, bits;
} format;
static const format FORMAT_F16 = {11, -14, 15, 16}, FORMAT_BF16 = {8, -126, 127, 16},
                    FORMAT_F32 = {24, -126, 127, 32}, FORMAT_F64 = {53, -1022, 1023, 64},
                    FORMAT_TF32 = {11, -126, 127, 32};

static inline const format *model_format(ptx_type t)
{
    switch (t) {
    case PTX_f16: case PTX_f16x2: return &FORMAT_F16;
    case PTX_bf16: case PTX_bf16x2: return &FORMAT_BF16;
    case PTX_f32: return &FORMAT_F32;
    case PTX_f64: return &FORMAT_F64;
    case PTX_tf32: return &FORMAT_TF32;
    default: return NULL;
    }
}

static inline bool model_is_pair(ptx_type t)
{
    return t == PTX_f16x2 || t == PTX_bf16x2;
}

static inline double model_decode(const format *f, uint64_t bits)
{
    if (f == &FORMAT_F64) {
        double v;
        memcpy(&v, &bits, 8);
        return v;
    }
    if (f == &FORMAT_TF32)
        f = &FORMAT_F32;
    int fraction = f->digits - 1, width = f->bits - f->digits;
    uint64_t m = bits & ((1ull << fraction) - 1), e = bits >> fraction & ((1ull << width) - 1);
    double sign = bits >> (f->bits - 1) & 1 ? -1.0 : 1.0;
    if (e == (1ull << width) - 1)
        return m ? copysign(NAN, sign) : sign * INFINITY;
    if (!e)
        return sign * ldexp((double)m, f->emin - fraction);
    return sign * ldexp((double)(m | 1ull << fraction), (int)e + f->emin - 1 - fraction);
}

/* Of a value that the format has. */
static inline uint64_t model_encode(const format *f, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, 8);
    if (f == &FORMAT_F64)
        return bits;
    if (f == &FORMAT_TF32)
        f = &FORMAT_F32;
    int fraction = f->digits - 1, width = f->bits - f->digits, e = 0;
    uint64_t sign = (bits >> 63) << (f->bits - 1), top = (1ull << width) - 1;
    if (isnan(v))
        return (1ull << (f->bits - 1)) - 1;
    if (isinf(v))
        return sign | top << fraction;
    if (v == 0)
        return sign;
    frexp(fabs(v), &e);
    e -= 1;
    if (e < f->emin)
        return sign | (uint64_t)ldexp(fabs(v), fraction - f->emin);
    return sign | (uint64_t)(e - f->emin + 1) << fraction |
           ((uint64_t)ldexp(fabs(v), fraction - e) & ((1ull << fraction) - 1));
}

enum { ROUND_NEAREST, ROUND_ZERO, ROUND_DOWN, ROUND_UP, ROUND_AWAY /* ties away from zero */ };

static inline double model_integral(double v, int mode)
{
    return mode == ROUND_ZERO   ? trunc(v)
           : mode == ROUND_DOWN ? floor(v)
           : mode == ROUND_UP   ? ceil(v)
           : mode == ROUND_AWAY ? round(v)
                                : nearbyint(v);
}

static inline double model_round(const format *f, double v, int mode)
{
    int e;
    if (isnan(v) || isinf(v) || v == 0)
        return v;
    frexp(v, &e);
    e = (e - 1 < f->emin ? f->emin : e - 1) - (f->digits - 1);
    double r = f == &FORMAT_F64 ? v : ldexp(model_integral(ldexp(v, -e), mode), e);
    double most = ldexp(2 - ldexp(1, 1 - f->digits), f->emax);
    if (fabs(r) > most) {
        bool inf = mode == ROUND_NEAREST || mode == ROUND_AWAY || (mode == ROUND_UP && v > 0) ||
                   (mode == ROUND_DOWN && v < 0);
        r = copysign(inf ? INFINITY : most, v);
    }
    return r == 0 ? copysign(0, v) : r;
}

static inline int model_mode(const model *x)
{
    return model_has(x, "rz") || model_has(x, "rzi")   ? ROUND_ZERO
           : model_has(x, "rm") || model_has(x, "rmi") ? ROUND_DOWN
           : model_has(x, "rp") || model_has(x, "rpi") ? ROUND_UP
                                                       : ROUND_NEAREST;
}

/* ---- one rounding ---- */

enum { EXACT_ADD, EXACT_MUL, EXACT_FMA, EXACT_DIV, EXACT_SQRT };

static inline double model_raw(int op, double a, double b, double c, int direction)
{
    volatile double x = a, y = b, z = c, r;
    int before = fegetround();
    fesetround(direction);
    r = op == EXACT_ADD   ? x + y
        : op == EXACT_MUL ? x * y
        : op == EXACT_FMA ? fma(x, y, z)
        : op == EXACT_DIV ? x / y
                          : sqrt(x);
    fesetround(before);
    return r;
}

/* The result in double; when it is not exact, the one of its two neighbours that ends in 1:
 * rounding that to a format with at least two digits less is rounding the exact result (Boldo and
 * Melquiond, 2008). */
static inline double model_odd(int op, double a, double b, double c)
{
    feclearexcept(FE_INEXACT);
    double r = model_raw(op, a, b, c, FE_TOWARDZERO);
    if (fetestexcept(FE_INEXACT) && isfinite(r)) {
        uint64_t bits;
        memcpy(&bits, &r, 8);
        bits |= 1;
        memcpy(&r, &bits, 8);
    }
    return r;
}

static inline double model_compute(const format *f, int op, double a, double b, double c, int mode)
{
    static const int direction[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD,
                                    FE_TONEAREST};
    if (f == &FORMAT_F64)
        return model_raw(op, a, b, c, direction[mode]);
    double r = model_odd(op, a, b, c);
    return r == 0 ? model_raw(op, a, b, c, direction[mode]) : model_round(f, r, mode);
}

/* .ftz */
static inline double model_flush(const format *f, double v, bool on)
{
    return on && fabs(v) < ldexp(1, f->emin) ? copysign(0, v) : v;
}

/* .ftz, .sat and .relu of a result */
static inline double model_finish(const model *x, const format *f, double v)
{
    v = model_flush(f, v, model_has(x, "ftz"));
    if (model_has(x, "sat"))
        v = isnan(v) || v <= 0 ? 0 : v > 1 ? 1 : v;
    if (model_has(x, "relu"))
        v = v <= 0 ? 0 : v;
    return v;
}

static inline uint64_t model_half_of(uint64_t v, int k, const format *f)
{
    return f->bits == 16 ? v >> (16 * k) & 0xffff : v;
}

/* Applies a function of up to three floating-point operands to each element of the type. */
typedef double (*model_fp_fn)(const model *x, const format *f, const double v[3]);

static inline void model_fp(model *x, model_fp_fn fn)
{
    ptx_type t = x->m->last;
    bool singles = model_has(x, "f32x2"), pair = singles || model_is_pair(t),
         ftz = model_has(x, "ftz");
    const format *f = singles ? &FORMAT_F32 : model_format(t);
    for (int k = 0; k < 1 + pair; k++) {
        double v[3] = {0, 0, 0};
        for (int s = 0; s < x->n_src && s < 3; s++) {
            uint64_t bits =
                singles ? x->src[s][0] >> (32 * k) & 0xffffffff : model_half_of(x->src[s][0], k, f);
            v[s] = model_flush(f, model_decode(f, bits), ftz);
        }
        double r = model_finish(x, f, fn(x, f, v));
        x->d[0][0] |= model_encode(f, r) << (f->bits * k);
        x->any_nan |= isnan(r) && !pair;
    }
}

static inline double model_add(const model *x, const format *f, const double v[3])
{
    return model_compute(f, EXACT_ADD, v[0], v[1], 0, model_mode(x));
}
static inline double model_sub(const model *x, const format *f, const double v[3])
{
    return model_compute(f, EXACT_ADD, v[0], -v[1], 0, model_mode(x));
}
static inline double model_mul(const model *x, const format *f, const double v[3])
{
    return model_compute(f, EXACT_MUL, v[0], v[1], 0, model_mode(x));
}
static inline double model_fma(const model *x, const format *f, const double v[3])
{
    return model_compute(f, EXACT_FMA, v[0], v[1], v[2], model_mode(x));
}
static inline double model_div(const model *x, const format *f, const double v[3])
{
    return model_compute(f, EXACT_DIV, v[0], v[1], 0, model_mode(x));
}
static inline double model_rcp(const model *x, const format *f, const double v[3])
{
    return model_compute(f, EXACT_DIV, 1, v[0], 0, model_mode(x));
}
static inline double model_sqrt(const model *x, const format *f, const double v[3])
{
    return model_compute(f, EXACT_SQRT, v[0], 0, 0, model_mode(x));
}
static inline double model_neg(const model *x, const format *f, const double v[3])
{
    (void)x;
    (void)f;
    return -v[0];
}
static inline double model_abs(const model *x, const format *f, const double v[3])
{
    (void)x;
    (void)f;
    return fabs(v[0]);
}
static inline double model_copysign(const model *x, const format *f, const double v[3])
{
    (void)x;
    (void)f;
    return copysign(v[1], v[0]);
}

static inline double model_lesser(const model *x, double a, double b, bool max)
{
    if (isnan(a) || isnan(b))
        return model_has(x, "NaN") || (isnan(a) && isnan(b)) ? NAN : isnan(a) ? b : a;
    if (a == b) /* zeros */
        return (signbit(a) != 0) == max ? b : a;
    return (a < b) != max ? a : b;
}
static inline double model_minmax(const model *x, const double v[3], bool max)
{
    bool abs = model_has(x, "abs"),
         sign = model_has(x, "xorsign") && signbit(v[0]) != signbit(v[1]);
    double r =
        abs ? model_lesser(x, fabs(v[0]), fabs(v[1]), max) : model_lesser(x, v[0], v[1], max);
    if (x->n_src == 3)
        r = model_lesser(x, r, abs ? fabs(v[2]) : v[2], max);
    return sign ? -r : r;
}
static inline double model_min(const model *x, const format *f, const double v[3])
{
    (void)f;
    return model_minmax(x, v, false);
}
static inline double model_max(const model *x, const format *f, const double v[3])
{
    (void)f;
    return model_minmax(x, v, true);
}

/* add, sub, fma of f32 with f16 or bf16 operands */
static inline void model_mixed(model *x, bool is_fma, double sign)
{
    const format *half = model_format(x->m->last);
    double a = model_decode(half, x->src[0][0] & 0xffff);
    double b = is_fma ? model_decode(half, x->src[1][0] & 0xffff) : sign;
    double c = model_decode(&FORMAT_F32, x->src[is_fma ? 2 : 1][0]);
    double r = is_fma ? model_compute(&FORMAT_F32, EXACT_FMA, a, b, c, model_mode(x))
                      : model_compute(&FORMAT_F32, EXACT_ADD, a, sign * c, 0, model_mode(x));
    r = model_finish(x, &FORMAT_F32, r);
    x->d[0][0] = model_encode(&FORMAT_F32, r);
    x->any_nan = isnan(r);
}

/* ---- approximations: bounds of the ISA's text ---- */

static inline void model_approx(model *x, long double exact, double relative, double absolute)
{
    const format *f = model_format(x->m->last);
    bool ftz = model_has(x, "ftz");
    double want = (double)exact, tiny = ldexp(1, f->emin - f->digits + 1);
    if (isnan(want)) {
        x->any_nan = true;
        return;
    }
    double most = ldexp(2 - ldexp(1, 1 - f->digits), f->emax);
    double slack = fabs(want) * relative + absolute;
    x->is_range = true;
    x->low = want - slack - (fabs(want) < ldexp(1, f->emin) ? tiny : 0);
    x->high = want + slack + (fabs(want) < ldexp(1, f->emin) ? tiny : 0);
    if (isinf(want))
        x->low = x->high = want;
    if (x->high > most)
        x->high = INFINITY;
    if (x->low < -most)
        x->low = -INFINITY;
    if (ftz && fabs(want) < ldexp(1 + 4 * relative, f->emin)) {
        x->low = x->low < 0 ? x->low : 0;
        x->high = x->high > 0 ? x->high : 0;
    }
}

#endif
