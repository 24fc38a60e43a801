/* Conversions to and from floats of 4, 6 and 8 bits that only sm_100 and later have: e2m1, e2m3,
 * e3m2, ue8m0; and stochastic rounding (PTX ISA 9.7.9.21). */
#include "harness/ptx/alu.h"
#include "harness/ptx/half.h"
#include "harness/ptx/mma.h"

#include <math.h>

/* Formats with sign but without infinity and NaN. */
typedef struct small_format {
    const char *pair; /* the type of two of them */
    mma_type type;
    u8 mantissa, bits, stride; /* stride: from one of a pair to the other */
    s8 least_exponent;
} small_format;
static const small_format formats[] = {
    {"e2m1x2", MMA_E2M1, 1, 4, 4, 0},
    {"e2m3x2", MMA_E2M3, 3, 6, 8, 0},
    {"e3m2x2", MMA_E3M2, 2, 6, 8, -2},
};

typedef struct small_cvt {
    const small_format *format; /* NULL: ue8m0 */
    ptx_type from;
    bool up, finite;
} small_cvt;

/* To nearest even; what is too large, and NaN, becomes the largest number. */
static u32 small_of(const small_format *f, f32 x, bool relu)
{
    u32 sign = 1u << (f->bits - 1), top = sign - 1;
    int e = 0;
    if (x != x)
        return top;
    if (relu && x <= 0)
        return 0;
    f64 v = fabs((f64)x);
    if (isinf(v))
        return top | (x < 0 ? sign : 0);
    frexp(v, &e);
    e = e - 1 < f->least_exponent || v == 0 ? f->least_exponent : e - 1;
    f64 code = rint(ldexp(v, f->mantissa - e)) + ldexp(e - f->least_exponent, f->mantissa);
    return (code > top ? top : (u32)code) | (signbit(x) ? sign : 0);
}

/* Powers of two from 2^-127 on, without sign; 255 is NaN. */
static u32 ue8m0_of(f32 x, bool up, bool finite)
{
    u32 bits = fp_bits(x) & 0x7fffffff, code = bits >> 23;
    if (x != x)
        return 255;
    if (up && bits < 0x7f800000 && bits > 0x400000 && bits & 0x7fffff)
        code++;
    return finite && code == 255 ? 254 : code;
}

static u32 small_one(const small_cvt *c, const ptx_insn *i, f32 x)
{
    return c->format ? small_of(c->format, x, i->mods & PTX_RELU) : ue8m0_of(x, c->up, c->finite);
}

/* The f32 that is on top, or at the bottom, of what lane l has. */
static f32 source(const ptx_warp *w, const ptx_insn *i, const small_cvt *c, u32 l, bool top)
{
    if (c->from == PTX_f32)
        return IN(f32, top ? i->a : i->b)[l];
    u32 half = IN(u32, i->a)[l] >> (top ? 16 : 0) & 0xffff;
    return c->from == PTX_bf16x2 ? fp_of_bits(half << 16) : (f32)ws_f16_to_f64((u16)half);
}

static void x_small(ptx_warp *w, const ptx_insn *i)
{
    const small_cvt *c = i->aux;
    u32 stride = c->format ? c->format->stride : 8;
    EACH_SET(l, w->exec) {
        u32 v = small_one(c, i, source(w, i, c, l, true)) << stride |
                small_one(c, i, source(w, i, c, l, false));
        if (i->dsize == 1)
            OUT(u8, i->d)[l] = (u8)v;
        else
            OUT(u16, i->d)[l] = (u16)v;
    }
}

static u32 half_of_small(const small_cvt *c, const ptx_insn *i, u32 code)
{
    if (!c->format) /* a bf16: 2^-127 is subnormal there */
        return code == 255 ? 0x7fff : code ? code << 7 : 0x40;
    f64 v = (f64)mma_widen(c->format->type, code);
    return ws_f16_from_f64(i->mods & PTX_RELU && v <= 0 ? 0 : v);
}

static void x_halves_of_small(ptx_warp *w, const ptx_insn *i)
{
    const small_cvt *c = i->aux;
    u32 stride = c->format ? c->format->stride : 8,
        mask = (1u << (c->format ? c->format->bits : 8)) - 1;
    u32 *d = OUT(u32, i->d);
    EACH_SET(l, w->exec) {
        u32 v = i->dsize == 1 ? IN(u8, i->a)[l] : IN(u16, i->a)[l];
        d[l] = half_of_small(c, i, v >> stride & mask) << 16 | half_of_small(c, i, v & mask);
    }
}

/* Random bits are added to those that do not fit; the carry rounds away from zero. A subnormal f16
 * loses more than 13 bits: the random ones stand at the upper end of them. */
static u32 stochastic(f32 x, const ptx_insn *i, bool bf, u32 random)
{
    u32 bits = fp_bits(x), sign = bits >> 16 & 0x8000, m = bits & 0x7fffffff,
        inf = bf ? 0x7f80 : 0x7c00, r;
    if (x != x)
        return 0x7fff;
    if (i->mods & PTX_RELU && x <= 0)
        return 0;
    if (m >= 0x7f800000) {
        r = inf;
    } else if (bf) {
        r = (m + random) >> 16;
    } else if (m < 0x38800000) { /* below 2^-14 */
        u32 e = m >> 23, drop = 126 - (e ? e : 1);
        u64 whole = (m & 0x7fffff) | (e ? 0x800000 : 0);
        r = drop > 37 ? 0 : (u32)((whole + ((u64)(random & 0x1fff) << drop >> 13)) >> drop);
    } else {
        r = (m - 0x38000000 + (random & 0x1fff)) >> 13;
        r = r > inf ? inf : r;
    }
    return sign | (i->flags & PTX_IF_SIGNED && r == inf ? inf - 1 : r);
}

/* op: bf16; SIGNED: .satfinite */
static void x_stochastic(ptx_warp *w, const ptx_insn *i)
{
    const f32 *a = IN(f32, i->a), *b = IN(f32, i->b);
    const u32 *random = IN(u32, i->c);
    u32 *d = OUT(u32, i->d);
    EACH_SET(l, w->exec)
        d[l] = stochastic(a[l], i, i->op, random[l] >> 16) << 16 |
               stochastic(b[l], i, i->op, random[l] & 0xffff);
}

/* ---- four at once, stochastically ---- */

static const struct quad_format {
    const char *name;
    u8 mantissa, bits;
    s8 least_exponent;
    u8 top, nan; /* the largest number; what NaN becomes */
} quads[] = {
    {"e4m3x4", 3, 8, -6, 0x7e, 0x7f}, {"e5m2x4", 2, 8, -14, 0x7b, 0x7f},
    {"e2m3x4", 3, 6, 0, 0x1f, 0x1f},
    {"e3m2x4", 2, 6, -2, 0x1f, 0x1f}, {"e2m1x4", 1, 4, 0, 7, 7},
};

typedef struct quad_cvt {
    const struct quad_format *format;
    u32 slot[4]; /* the highest first */
} quad_cvt;

/* 16 random bits are a fraction of the last place: with what is cut off they round away from zero
 * from one on. */
static u32 quad_one(const struct quad_format *f, f32 x, bool relu, u32 random)
{
    int e = 0;
    u32 sign = 1u << (f->bits - 1);
    f64 v = fabs((f64)x);
    if (x != x)
        return f->nan;
    if (relu && x <= 0)
        return 0;
    if (isinf(v))
        return f->top | (x < 0 ? sign : 0);
    frexp(v, &e);
    e = e - 1 < f->least_exponent || v == 0 ? f->least_exponent : e - 1;
    f64 code = floor(ldexp(v, f->mantissa - e) + random * 0x1p-16) +
               ldexp(e - f->least_exponent, f->mantissa);
    return (code > f->top ? f->top : (u32)code) | (signbit(x) ? sign : 0);
}

static u32 reversed(u32 half)
{
    u32 out = 0;
    for (u32 b = 0; b < 16; b++)
        out |= (half >> b & 1) << (15 - b);
    return out;
}

/* Which random bits there are for whom: the upper half of the word for the two upper numbers, with
 * 4 bits the upper bytes of both halves; the higher one of the two takes them in reverse order.
 * That was found by experiment on sm_100. */
static u32 bits_for(u32 random, u32 n, bool by_bytes)
{
    u32 lower = by_bytes ? (random >> 8 & 0xff00) | (random & 0xff) : random & 0xffff;
    u32 upper = by_bytes ? (random >> 16 & 0xff00) | (random >> 8 & 0xff) : random >> 16;
    u32 half = n < 2 ? upper : lower;
    return n % 2 ? half : reversed(half);
}

static void x_quad(ptx_warp *w, const ptx_insn *i)
{
    const quad_cvt *c = i->aux;
    u32 stride = c->format->bits == 4 ? 4 : 8;
    EACH_SET(l, w->exec) {
        u32 v = 0, random = IN(u32, i->c)[l];
        for (u32 n = 0; n < 4; n++)
            v = v << stride | quad_one(c->format, IN(f32, c->slot[n])[l], i->mods & PTX_RELU,
                                       bits_for(random, n, stride == 4));
        if (stride == 4)
            OUT(u16, i->d)[l] = (u16)v;
        else
            OUT(u32, i->d)[l] = v;
    }
}

/* ---- decoding ---- */

static bool decode_quad(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    quad_cvt *c = WS_ARENA_NEW(ptx_decoder_arena(d), quad_cvt, 1);
    const ptx_operand *o = &a->operand[1];
    for (size_t f = 0; f < WS_COUNT(quads); f++)
        if (ws_str_eqz(a->part[a->n_parts - 2], quads[f].name))
            c->format = &quads[f];
    ptx_mods(a, i);
    i->aux = c;
    i->run = x_quad;
    if (o->kind != PTX_OPD_VEC || o->n_elem != 4)
        return false;
    for (int n = 0; n < 4; n++)
        if (!ptx_alu_src(d, &o->elem[n], PTX_f32, &c->slot[n]))
            return false;
    return ptx_alu_dst(d, &a->operand[0], c->format->bits == 4 ? 2 : 4, &i->d) &&
           ptx_alu_src(d, &a->operand[2], PTX_b32, &i->c);
}

static const small_format *find_format(ws_str name)
{
    for (size_t f = 0; f < WS_COUNT(formats); f++)
        if (ws_str_eqz(name, formats[f].pair))
            return &formats[f];
    return NULL;
}

/* `selector`: from small to half. */
static bool decode_small(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    bool widens = i->op;
    small_cvt *c = WS_ARENA_NEW(ptx_decoder_arena(d), small_cvt, 1);
    c->format = find_format(a->part[a->n_parts - (widens ? 1 : 2)]);
    c->from = i->match->last;
    c->up = ptx_has(a, "rp");
    c->finite = ptx_has(a, "satfinite");
    ptx_mods(a, i);
    i->aux = c;
    i->dsize = c->format && c->format->bits == 4 ? 1 : 2; /* of the small side */
    i->run = widens ? x_halves_of_small : x_small;
    return ptx_alu_operands(d, a, i);
}

static bool decode_stochastic(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    ptx_mods(a, i);
    i->op = i->match->first == PTX_bf16x2;
    i->flags |= ptx_has(a, "satfinite") ? PTX_IF_SIGNED : 0;
    i->run = x_stochastic;
    return ptx_alu_operands(d, a, i);
}

const ptx_op_row ptx_ops_cvt8[] = {
    {"cvt.rn.satfinite{.relu}.e2m1x2.f32 d:b8, a, b", decode_small, 0, PTX_UNIT_CVT},
    {"cvt.rn.satfinite{.relu}.(e2m3x2 e3m2x2).f32 d:b16, a, b", decode_small, 0, PTX_UNIT_CVT},
    {"cvt.rn.satfinite{.relu}.e2m1x2.f16x2 d:b8, a:b32", decode_small, 0, PTX_UNIT_CVT},
    {"cvt.rn{.relu}.f16x2.e2m1x2 d:b32, a:b8", decode_small, 1, PTX_UNIT_CVT},
    {"cvt.rn{.relu}.f16x2.(e2m3x2 e3m2x2) d:b32, a:b16", decode_small, 1, PTX_UNIT_CVT},
    {"cvt.(rz rp){.satfinite}.ue8m0x2.f32 d:b16, a, b", decode_small, 0, PTX_UNIT_CVT},
    {"cvt.(rz rp){.satfinite}.ue8m0x2.bf16x2 d:b16, a:b32", decode_small, 0, PTX_UNIT_CVT},
    {"cvt.rn.bf16x2.ue8m0x2 d:b32, a:b16", decode_small, 1, PTX_UNIT_CVT},
    {"cvt.rs{.relu}{.satfinite}.(f16x2 bf16x2).f32 d:b32, a, b, c:b32", decode_stochastic, 0,
     PTX_UNIT_CVT},
    {"cvt.rs{.relu}.satfinite.(e4m3x4 e5m2x4 e2m3x4 e3m2x4).f32 d:b32, {a*}, b:b32", decode_quad, 0,
     PTX_UNIT_CVT},
    {"cvt.rs{.relu}.satfinite.e2m1x4.f32 d:b16, {a*}, b:b32", decode_quad, 0, PTX_UNIT_CVT},
    {0},
};
