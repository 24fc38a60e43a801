/* Conversions (PTX ISA 9.7.9.21 to 9.7.9.22), and addresses between generic and other spaces.
 *
 * The frequent pairs of types have loops of their own. All others go in three steps through 64-bit
 * lanes: load (registers may be wider than the type), convert, store (extended to the register). */
#include "harness/ptx/alu.h"
#include "harness/ptx/half.h"

#include <math.h>

/* ---- frequent pairs: registers as wide as the types ---- */

#define CONVERT(name, D, S, expr)                                                                  \
    LANES_HANDLER(name, D, expr, const S *a = IN(S, i->a))
#define WIDTHS(S)                                                                                  \
    CONVERT(u16_##S, u16, S, a[l])                                                                 \
    CONVERT(u32_##S, u32, S, a[l])                                                                 \
    CONVERT(u64_##S, u64, S, a[l])
WIDTHS(u16)
WIDTHS(s16)
WIDTHS(u32)
WIDTHS(s32)
WIDTHS(u64)
WIDTHS(s64)
CONVERT(s32_low8, s32, s32, (s8)a[l])
CONVERT(u32_low8, u32, u32, (u8)a[l])
CONVERT(s16_low8, s16, s16, (s8)a[l])
CONVERT(u16_low8, u16, u16, (u8)a[l])
CONVERT(f32_s32, f32, s32, a[l])
CONVERT(f32_u32, f32, u32, a[l])
CONVERT(f64_s32, f64, s32, a[l])
CONVERT(f64_u32, f64, u32, a[l])
CONVERT(f64_f32, f64, f32, a[l])
CONVERT(f32_f64, f32, f64, fp_canon((f32)a[l]))
CONVERT(sat_f32, f32, f32, fp_sat(a[l]))
CONVERT(rni_f32, f32, f32, fp_canon(__builtin_rintf(a[l])))
CONVERT(rzi_f32, f32, f32, fp_canon(__builtin_truncf(a[l])))
CONVERT(rmi_f32, f32, f32, fp_canon(__builtin_floorf(a[l])))
CONVERT(rpi_f32, f32, f32, fp_canon(__builtin_ceilf(a[l])))

/* Out of range to the nearest end, NaN to 0. */
static inline s32 s32_of(f32 x)
{
    s32 v = (s32)(__builtin_fabsf(x) < 0x1p31f ? x : 0);
    return x >= 0x1p31f ? INT32_MAX : x <= -0x1p31f ? INT32_MIN : v;
}
static inline u32 u32_of(f32 x)
{
    u32 v = (u32)(x > 0 && x < 0x1p32f ? x : 0);
    return x >= 0x1p32f ? UINT32_MAX : v;
}
CONVERT(s32_rni, s32, f32, s32_of(__builtin_rintf(a[l])))
CONVERT(s32_rzi, s32, f32, s32_of(a[l]))
CONVERT(s32_rmi, s32, f32, s32_of(__builtin_floorf(a[l])))
CONVERT(s32_rpi, s32, f32, s32_of(__builtin_ceilf(a[l])))
CONVERT(u32_rni, u32, f32, u32_of(__builtin_rintf(a[l])))
CONVERT(u32_rzi, u32, f32, u32_of(a[l]))
CONVERT(u32_rmi, u32, f32, u32_of(__builtin_floorf(a[l])))
CONVERT(u32_rpi, u32, f32, u32_of(__builtin_ceilf(a[l])))

static void x_f32_half(ptx_warp *w, const ptx_insn *i)
{
    f32 x[PTX_LANES], *d = OUT(f32, i->d);
    half_widen(x, IN(u16, i->a), PTX_LANES, i->op);
    LANES_DENSE(f32, d, fp_canon(x[l]));
}

static void x_half_f32(ptx_warp *w, const ptx_insn *i)
{
    u16 h[PTX_LANES], *d = OUT(u16, i->d);
    half_narrow(h, IN(f32, i->a), PTX_LANES, i->op);
    LANES_DENSE(u16, d, h[l]);
}

/* {hi, lo} = {a, b} */
static void x_pair_f32(ptx_warp *w, const ptx_insn *i)
{
    u16 hi[PTX_LANES], lo[PTX_LANES];
    u32 *d = OUT(u32, i->d);
    half_narrow(hi, IN(f32, i->a), PTX_LANES, i->op);
    half_narrow(lo, IN(f32, i->b), PTX_LANES, i->op);
    LANES_DENSE(u32, d, (u32)hi[l] << 16 | lo[l]);
}

/* ---- the general way ---- */

enum { K_U8, K_S8, K_U16, K_S16, K_U32, K_S32, K_U64, K_S64, K_F16, K_BF16, K_F32, K_F64, K_NONE };
/* How a floating-point value becomes integral. */
enum { TO_NONE, TO_NEAREST, TO_ZERO, TO_DOWN, TO_UP };
static const uint8_t kind_bytes[] = {1, 1, 2, 2, 4, 4, 8, 8, 2, 2, 4, 8};

static bool is_float(int kind)
{
    return kind >= K_F16;
}

static bool is_signed(int kind)
{
    return kind & 1; /* of an integer */
}

typedef struct lanes64 {
    union {
        u64 u[PTX_LANES];
        s64 s[PTX_LANES];
        f64 f[PTX_LANES];
    };
} lanes64;

/* The registers' contents, `bytes` a lane, zero-extended. */
static void load_bits(lanes64 *x, const ptx_warp *w, u32 slot, uint32_t bytes)
{
    switch (bytes) {
    case 1: EACH_LANE(l) x->u[l] = IN(u8, slot)[l]; break;
    case 2: EACH_LANE(l) x->u[l] = IN(u16, slot)[l]; break;
    case 4: EACH_LANE(l) x->u[l] = IN(u32, slot)[l]; break;
    default: EACH_LANE(l) x->u[l] = IN(u64, slot)[l]; break;
    }
}

static void store_bits(ptx_warp *w, const ptx_insn *i, const lanes64 *x)
{
    switch (i->dsize) {
    case 1: LANES_DENSE(u8, OUT(u8, i->d), (u8)x->u[l]); break;
    case 2: LANES_DENSE(u16, OUT(u16, i->d), (u16)x->u[l]); break;
    case 4: LANES_DENSE(u32, OUT(u32, i->d), (u32)x->u[l]); break;
    default: LANES_DENSE(u64, OUT(u64, i->d), x->u[l]); break;
    }
}

/* Cuts integers to their type and extends them by its sign. */
static void extend(lanes64 *x, int kind)
{
    int shift = 64 - 8 * kind_bytes[kind];
    if (is_signed(kind))
        EACH_LANE(l) x->s[l] = (s64)(x->u[l] << shift) >> shift;
    else
        EACH_LANE(l) x->u[l] = x->u[l] << shift >> shift;
}

/* Bits of a floating-point type to f64; exact. */
static void widen(lanes64 *x, int kind, bool ftz)
{
    u16 h[PTX_LANES];
    f32 f[PTX_LANES];
    switch (kind) {
    case K_F16:
    case K_BF16:
        EACH_LANE(l) h[l] = (u16)x->u[l];
        half_widen(f, h, PTX_LANES, kind == K_BF16);
        EACH_LANE(l) x->f[l] = (f64)f[l];
        break;
    case K_F32:
        EACH_LANE(l) f[l] = fp_of_bits((u32)x->u[l]);
        EACH_LANE(l) x->f[l] = (f64)(ftz ? fp_flush(f[l]) : f[l]);
        break;
    default: break;
    }
}

static f64 integral(f64 x, int to)
{
    return to == TO_NEAREST ? rint(x)
           : to == TO_ZERO  ? trunc(x)
           : to == TO_DOWN  ? floor(x)
           : to == TO_UP    ? ceil(x)
                            : x;
}

/* Saturates; NaN gives 0, but the sign bit alone if the source is f64 or the result has 64 bits. */
static void float_to_int(lanes64 *x, int kind, bool from_f64, int to)
{
    int bits = 8 * kind_bytes[kind];
    f64 limit = ldexp(1, is_signed(kind) ? bits - 1 : bits); /* the first one too large */
    u64 top = is_signed(kind) ? (1ull << (bits - 1)) - 1 : UINT64_MAX >> (64 - bits);
    u64 nan = from_f64 || bits == 64 ? 1ull << (bits - 1) : 0;
    EACH_LANE(l) {
        f64 v = integral(x->f[l], to);
        if (v != v)
            x->u[l] = nan;
        else if (v >= limit)
            x->u[l] = top;
        else if (is_signed(kind))
            x->s[l] = v < -limit ? (s64)~top : (s64)v;
        else
            x->u[l] = v < 0 ? 0 : (u64)v;
    }
    extend(x, kind);
}

/* Values that have more than 53 significant bits are rounded to odd there, so that rounding them to
 * a narrow format later is right. */
static u64 sticky(u64 v)
{
    return v >> 53 ? (v & ~0x7ffull) | (v & 0x7ff ? 0x800 : 0) : v;
}

/* f64 to the bits of a half; also integers that were made f64 by way of sticky(). */
static u64 round_half(f64 v, bool bf, int mode)
{
    return half_round(fp_narrow_odd(v), bf, mode);
}

/* Opaque: it runs under a changed rounding mode. */
__attribute__((noipa)) static void int_to_float(lanes64 *x, int from, int to)
{
    if (to == K_F32 && is_signed(from))
        EACH_LANE(l) x->u[l] = fp_bits((f32)x->s[l]);
    else if (to == K_F32)
        EACH_LANE(l) x->u[l] = fp_bits((f32)x->u[l]);
    else if (is_signed(from))
        EACH_LANE(l) x->f[l] = (f64)x->s[l];
    else
        EACH_LANE(l) x->f[l] = (f64)x->u[l];
}

__attribute__((noipa)) static void narrow_f32(lanes64 *x)
{
    EACH_LANE(l) x->u[l] = fp_bits(fp_canon((f32)x->f[l]));
}

static void int_to_half(lanes64 *x, int from, bool bf, int mode)
{
    EACH_LANE(l) {
        bool neg = is_signed(from) && x->s[l] < 0;
        f64 v = (f64)sticky(neg ? 0 - x->u[l] : x->u[l]);
        x->u[l] = round_half(neg ? -v : v, bf, mode);
    }
}

static void saturate(lanes64 *x)
{
    EACH_LANE(l) x->f[l] = x->f[l] > 0 ? x->f[l] < 1 ? x->f[l] : 1 : 0;
}

static void float_to_float(lanes64 *x, const ptx_insn *i, int to)
{
    int mode = i->mods & 3;
    if (i->mods & PTX_RELU)
        EACH_LANE(l) x->f[l] = x->f[l] <= 0 ? 0 : x->f[l];
    if (i->mods & PTX_SAT)
        saturate(x);
    if (to == K_F16 || to == K_BF16) {
        EACH_LANE(l) x->u[l] = round_half(x->f[l], to == K_BF16, mode);
    } else if (to == K_F32) {
        fp_round_begin(mode);
        narrow_f32(x);
        fp_round_end(mode);
        if (i->mods & PTX_FTZ)
            EACH_LANE(l) x->u[l] = fp_bits(fp_flush(fp_of_bits((u32)x->u[l])));
    }
}

/* .satfinite: infinities, of the source or of rounding, become the largest number. */
static void limit_half(lanes64 *x, bool bf)
{
    const u64 inf = bf ? 0x7f80 : 0x7c00;
    EACH_LANE(l) x->u[l] -= (x->u[l] & 0x7fff) == inf;
}

static void int_to_int_sat(lanes64 *x, int from, int to)
{
    int bits = 8 * kind_bytes[to];
    u64 top = is_signed(to) ? (1ull << (bits - 1)) - 1 : UINT64_MAX >> (64 - bits);
    s64 low = is_signed(to) ? -(s64)top - 1 : 0;
    EACH_LANE(l) {
        if (is_signed(from) && x->s[l] < 0)
            x->s[l] = x->s[l] < low ? low : x->s[l];
        else
            x->u[l] = x->u[l] > top ? top : x->u[l];
    }
}

/* op: kind of the source, type: of the destination, esize: of the source register, vec: TO_*,
 * flags: SIGNED for .satfinite */
static void x_general(ptx_warp *w, const ptx_insn *i)
{
    lanes64 x;
    int from = i->op, to = i->type;
    load_bits(&x, w, i->a, i->esize);
    if (is_float(from)) {
        widen(&x, from, i->mods & PTX_FTZ);
        if (!is_float(to)) {
            float_to_int(&x, to, from == K_F64, i->vec);
        } else {
            if (i->vec)
                EACH_LANE(l) x.f[l] = integral(x.f[l], i->vec);
            float_to_float(&x, i, to);
            if (i->flags & PTX_IF_SIGNED)
                limit_half(&x, to == K_BF16);
        }
    } else {
        extend(&x, from);
        if (is_float(to) && i->mods & PTX_SAT)
            EACH_LANE(l) x.u[l] = is_signed(from) ? x.s[l] > 0 : x.u[l] > 0;
        if (!is_float(to)) {
            if (i->mods & PTX_SAT)
                int_to_int_sat(&x, from, to);
            extend(&x, to);
        } else if (to == K_F16 || to == K_BF16) {
            int_to_half(&x, from, to == K_BF16, i->mods & 3);
        } else {
            fp_round_begin(i->mods & 3);
            int_to_float(&x, from, to);
            fp_round_end(i->mods & 3);
        }
    }
    store_bits(w, i, &x);
}

/* ---- packed and special formats ---- */

/* {hi, lo} = {a, b} with any modifiers; op: bf16 */
static void x_pair_general(ptx_warp *w, const ptx_insn *i)
{
    lanes64 x, y;
    bool bf = i->op;
    load_bits(&x, w, i->a, 4);
    load_bits(&y, w, i->b, 4);
    widen(&x, K_F32, false);
    widen(&y, K_F32, false);
    float_to_float(&x, i, bf ? K_BF16 : K_F16);
    float_to_float(&y, i, bf ? K_BF16 : K_F16);
    if (i->flags & PTX_IF_SIGNED) {
        limit_half(&x, bf);
        limit_half(&y, bf);
    }
    EACH_LANE(l) x.u[l] = x.u[l] << 16 | y.u[l];
    store_bits(w, i, &x);
}

/* vec: 0 nearest even, 1 nearest away, 2 to zero */
static inline u32 tf32_of(f32 x, int how)
{
    u32 b = fp_bits(x), m = b & 0x7fffffff;
    if (x != x)
        return 0x7fffffff;
    if (m == 0x7f800000)
        return b;
    return (b + (how == 1 ? 0x1000 : how == 0 ? 0xfff + (b >> 13 & 1) : 0)) & ~0x1fffu;
}

static void x_tf32(ptx_warp *w, const ptx_insn *i)
{
    const f32 *a = IN(f32, i->a);
    u32 *d = OUT(u32, i->d), r[PTX_LANES];
    EACH_LANE(l) r[l] = tf32_of(i->mods & PTX_RELU && a[l] <= 0 ? 0 : a[l], i->vec);
    if (i->flags & PTX_IF_SIGNED) /* .satfinite */
        EACH_LANE(l)
        r[l] = (r[l] & 0x7fffffff) == 0x7f800000 ? (r[l] & 0x80000000) | 0x7f7fe000 : r[l];
    LANES_DENSE(u32, d, r[l]);
}

/* op: e5m2 */
static u32 fp8_of(f64 x, const ptx_insn *i)
{
    if (i->mods & PTX_RELU && x <= 0)
        x = 0;
    return x != x ? 0x7f : i->op ? ws_e5m2_from_f64(x) : ws_e4m3_from_f64(x);
}

/* e4m3x2 or e5m2x2 from f32 a (upper) and b (lower), or from the halves of a; vec: 0 f32, 1 f16x2,
 * 2 bf16x2 */
static void x_fp8(ptx_warp *w, const ptx_insn *i)
{
    lanes64 x, y;
    load_bits(&x, w, i->a, 4);
    if (i->vec) {
        EACH_LANE(l) y.u[l] = x.u[l] & 0xffff;
        EACH_LANE(l) x.u[l] >>= 16;
    } else {
        load_bits(&y, w, i->b, 4);
    }
    int kind = i->vec == 0 ? K_F32 : i->vec == 1 ? K_F16 : K_BF16;
    widen(&x, kind, false);
    widen(&y, kind, false);
    u16 *d = OUT(u16, i->d);
    LANES_SPARSE(u16, d, fp8_of(x.f[l], i) << 8 | fp8_of(y.f[l], i));
}

static u32 half_of_fp8(u8 b, const ptx_insn *i)
{
    f64 v = i->op ? ws_e5m2_to_f64(b) : ws_e4m3_to_f64(b);
    if (v != v)
        return 0x7fff;
    return ws_f16_from_f64(i->mods & PTX_RELU && v <= 0 ? 0 : v);
}

static void x_halves_of_fp8(ptx_warp *w, const ptx_insn *i)
{
    const u16 *a = IN(u16, i->a);
    u32 *d = OUT(u32, i->d);
    LANES_SPARSE(u32, d, half_of_fp8((u8)(a[l] >> 8), i) << 16 | half_of_fp8((u8)a[l], i));
}

/* cvt.pack: esize bits an element, type: signed, vec: with c */
static u32 clamp_bits(s32 v, int bits, bool sign)
{
    s32 top = (s32)((1u << (bits - (sign ? 1 : 0))) - 1), low = sign ? -top - 1 : 0;
    return (u32)(v < low ? low : v > top ? top : v) & ((1u << bits) - 1);
}

static void x_pack(ptx_warp *w, const ptx_insn *i)
{
    const s32 *a = IN(s32, i->a), *b = IN(s32, i->b);
    u32 *d = OUT(u32, i->d);
    int bits = i->esize;
    EACH_SET(l, w->exec) {
        u32 r = clamp_bits(a[l], bits, i->type) << bits | clamp_bits(b[l], bits, i->type);
        d[l] = i->vec ? r | IN(u32, i->c)[l] << 2 * bits : r;
    }
}

/* ---- decoding of cvt ---- */

static int kind_of(ptx_type t)
{
    static const ptx_type types[] = {PTX_u8,  PTX_s8,  PTX_u16, PTX_s16,  PTX_u32, PTX_s32,
                                     PTX_u64, PTX_s64, PTX_f16, PTX_bf16, PTX_f32, PTX_f64};
    for (int k = 0; k < K_NONE; k++)
        if (types[k] == t)
            return k;
    return K_NONE;
}

/* The width of a register that may be wider than the type; 0: not such an operand. */
static uint8_t register_bytes(const ptx_decoder *d, const ptx_operand *o, uint32_t least)
{
    ptx_type t = ptx_reg_type(d, o);
    uint32_t bytes = t == PTX_TYPE_NONE || t == PTX_pred ? 0 : ptx_type_bytes(t);
    return bytes >= least && bytes <= 8 ? (uint8_t)bytes : 0;
}

/* From or to 8 bits with registers of 32 or 16 bits on both sides. */
static ptx_handler low_byte(const ptx_insn *i, int to, int from)
{
    int byte = from <= K_S8 ? from : to;
    if (i->mods || is_float(to) || is_float(from) || byte > K_S8 || i->esize != i->dsize)
        return NULL;
    /* a result that is narrower than its register is extended by its own sign */
    if (from <= K_S8 && from != to && kind_bytes[to] != i->dsize)
        return NULL;
    if (i->esize == 4)
        return is_signed(byte) ? x_s32_low8 : x_u32_low8;
    return i->esize != 2 ? NULL : is_signed(byte) ? x_s16_low8 : x_u16_low8;
}

/* The loop of a frequent pair, or NULL. */
static ptx_handler frequent(ptx_insn *i, int to, int from)
{
    static const ptx_handler ints[6][3] = {
        {x_u16_u16, x_u32_u16, x_u64_u16}, {x_u16_s16, x_u32_s16, x_u64_s16},
        {x_u16_u32, x_u32_u32, x_u64_u32}, {x_u16_s32, x_u32_s32, x_u64_s32},
        {x_u16_u64, x_u32_u64, x_u64_u64}, {x_u16_s64, x_u32_s64, x_u64_s64},
    };
    static const ptx_handler to_s32[] = {NULL, x_s32_rni, x_s32_rzi, x_s32_rmi, x_s32_rpi};
    static const ptx_handler to_u32[] = {NULL, x_u32_rni, x_u32_rzi, x_u32_rmi, x_u32_rpi};
    static const ptx_handler to_f32[] = {NULL, x_rni_f32, x_rzi_f32, x_rmi_f32, x_rpi_f32};
    if (i->mods == PTX_SAT && to == K_F32 && from == K_F32 && !i->vec)
        return x_sat_f32;
    if (i->mods || i->flags)
        return NULL;
    if (!is_float(from) && !is_float(to) && from >= K_U16 && to >= K_U16)
        return ints[from - K_U16][(to - K_U16) / 2];
    if (from == K_F32 && (to == K_F16 || to == K_BF16)) {
        i->op = to == K_BF16;
        return x_half_f32;
    }
    if (to == K_F32 && (from == K_F16 || from == K_BF16)) {
        i->op = from == K_BF16;
        return x_f32_half;
    }
    if (from == K_F32)
        return to == K_S32   ? to_s32[i->vec]
               : to == K_U32 ? to_u32[i->vec]
               : to == K_F32 ? to_f32[i->vec]
               : to == K_F64 ? x_f64_f32
                             : NULL;
    if (to == K_F32)
        return from == K_S32   ? x_f32_s32
               : from == K_U32 ? x_f32_u32
               : from == K_F64 ? x_f32_f64
                               : NULL;
    if (to == K_F64)
        return from == K_S32 ? x_f64_s32 : from == K_U32 ? x_f64_u32 : NULL;
    return NULL;
}

static uint8_t integral_mode(const ptx_ast_insn *a)
{
    return ptx_has(a, "rni")   ? TO_NEAREST
           : ptx_has(a, "rzi") ? TO_ZERO
           : ptx_has(a, "rmi") ? TO_DOWN
           : ptx_has(a, "rpi") ? TO_UP
                               : TO_NONE;
}

static bool decode_scalar(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i, int to, int from)
{
    const ptx_operand *o = a->operand;
    i->vec = integral_mode(a);
    if (is_float(from) && !is_float(to)) /* saturates in any case */
        i->mods &= (uint8_t)~PTX_SAT;
    i->flags |= ptx_has(a, "satfinite") ? PTX_IF_SIGNED : 0;
    i->op = (uint8_t)from;
    i->type = (uint8_t)to;
    i->esize =
        o[1].kind == PTX_OPD_IMM ? kind_bytes[from] : register_bytes(d, &o[1], kind_bytes[from]);
    i->dsize =
        o[0].kind == PTX_OPD_SINK ? kind_bytes[to] : register_bytes(d, &o[0], kind_bytes[to]);
    if (!i->esize || !i->dsize || !ptx_alu_dst(d, &o[0], i->dsize, &i->d))
        return false;
    if (o[1].kind == PTX_OPD_IMM)
        i->a = ptx_src(d, &o[1], i->match->last);
    else
        i->a = ptx_src(d, &o[1], ptx_reg_type(d, &o[1]));
    i->run =
        i->esize == kind_bytes[from] && i->dsize == kind_bytes[to] ? frequent(i, to, from) : NULL;
    if (!i->run)
        i->run = low_byte(i, to, from);
    if (!i->run)
        i->run = x_general;
    return i->a != PTX_NO_SLOT;
}

/* f16x2, bf16x2 from two f32 */
static bool decode_pair(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i, bool bf)
{
    i->op = bf;
    i->dsize = 4;
    i->flags |= ptx_has(a, "satfinite") ? PTX_IF_SIGNED : 0;
    i->run = i->mods || i->flags ? x_pair_general : x_pair_f32;
    return ptx_alu_operands(d, a, i);
}

static bool decode_tf32(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->vec = ptx_has(a, "rna") ? 1 : i->mods & PTX_RZ ? 2 : 0;
    i->flags |= ptx_has(a, "satfinite") ? PTX_IF_SIGNED : 0;
    i->run = x_tf32;
    return ptx_alu_operands(d, a, i);
}

static bool decode_fp8(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i, ptx_type to,
                       ptx_type from)
{
    i->op = to == PTX_e5m2x2 || from == PTX_e5m2x2;
    i->vec = from == PTX_f32 ? 0 : from == PTX_f16x2 ? 1 : 2;
    i->run = to == PTX_f16x2 ? x_halves_of_fp8 : x_fp8;
    return ptx_alu_operands(d, a, i);
}

/* cvt.pack.sat.convertType.s32{.b32} */
static bool decode_pack(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    static const struct {
        const char *name;
        uint8_t bits, is_signed;
    } types[] = {{"u16", 16, 0}, {"s16", 16, 1}, {"u8", 8, 0}, {"s8", 8, 1},
                 {"u4", 4, 0},   {"s4", 4, 1},   {"u2", 2, 0}, {"s2", 2, 1}};
    for (size_t t = 0; t < WS_COUNT(types); t++)
        if (ptx_has(a, types[t].name)) {
            i->esize = types[t].bits;
            i->type = types[t].is_signed;
        }
    i->vec = a->n_operands == 4;
    i->run = x_pack;
    return ptx_alu_operands(d, a, i);
}

static bool decode_cvt(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    ptx_type to = i->match->first, from = i->match->last;
    ptx_mods(a, i);
    if (kind_of(to) != K_NONE && kind_of(from) != K_NONE)
        return decode_scalar(d, a, i, kind_of(to), kind_of(from));
    if (to == PTX_tf32)
        return decode_tf32(d, a, i);
    if (from == PTX_f32 && (to == PTX_f16x2 || to == PTX_bf16x2))
        return decode_pair(d, a, i, to == PTX_bf16x2);
    return decode_fp8(d, a, i, to, from);
}

/* ---- addresses ---- */

/* Global and const addresses are generic ones as they are; the others lie in windows. */
static uint64_t window_of(const ptx_ast_insn *a)
{
    static const struct {
        const char *name;
        uint64_t base;
    } spaces[] = {{"shared", PTX_WINDOW_SHARED},          {"shared::cta", PTX_WINDOW_SHARED},
                  {"shared::cluster", PTX_WINDOW_SHARED}, {"local", PTX_WINDOW_LOCAL},
                  {"param", PTX_WINDOW_PARAM},            {"param::entry", PTX_WINDOW_PARAM}};
    for (size_t s = 0; s < WS_COUNT(spaces); s++)
        if (ptx_has(a, spaces[s].name))
            return spaces[s].base;
    return 0;
}

/* imm: what is added to a, or, with FRAME, to the base of the frame's variables */
static void x_cvta(ptx_warp *w, const ptx_insn *i)
{
    u64 *d = OUT(u64, i->d), add = (u64)i->imm;
    if (i->flags & PTX_IF_FRAME) {
        add += w->frame->local_base;
        LANES_DENSE(u64, d, add);
        return;
    }
    const u64 *a = IN(u64, i->a);
    LANES_DENSE(u64, d, a[l] + add);
    if (w->whole == PTX_FULL)
        PTX_CHAIN(w, i);
}

static bool decode_cvta(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    bool entry = false;
    uint64_t base = window_of(a);
    const ptx_operand *o = &a->operand[1];
    i->imm = (int64_t)(ptx_has(a, "to") ? 0 - base : base);
    i->run = x_cvta;
    if (o->kind != PTX_OPD_VAR ||
        (o->var->space != PTX_SPACE_LOCAL && o->var->space != PTX_SPACE_PARAM))
        return ptx_alu_operands(d, a, i);
    if (!ptx_alu_dst(d, &a->operand[0], 8, &i->d))
        return false;
    uint32_t at = ptx_frame_var(d, o->var, &entry);
    i->imm = (int64_t)((u64)i->imm + at + (u64)o->imm);
    if (entry)
        i->a = ptx_const(d, 0, 8);
    else
        i->flags |= PTX_IF_FRAME;
    return true;
}

enum { ISSPACEP_ANY, ISSPACEP_CTA };

/* imm: the window's number */
static void x_isspacep(ptx_warp *w, const ptx_insn *i)
{
    const u64 *a = IN(u64, i->a);
    u32 m = 0;
    const u64 window = (u64)i->imm;
    EACH_LANE(l) m |= (u32)(a[l] >> PTX_WINDOW_SHIFT == window) << l;
    if (i->op == ISSPACEP_CTA) { /* not another block's */
        u64 own = (PTX_WINDOW_SHARED >> PTX_RANK_SHIFT) + w->block->rank + 1;
        EACH_LANE(l) m &= ~((u32)(a[l] >> PTX_RANK_SHIFT << PTX_RANK_SHIFT != PTX_WINDOW_SHARED &&
                                  a[l] >> PTX_RANK_SHIFT != own) << l);
    }
    if (window == 0) /* kernel parameters count as global, too */
        EACH_LANE(l)
        m |= (u32)(a[l] >> PTX_WINDOW_SHIFT == PTX_WINDOW_PARAM >> PTX_WINDOW_SHIFT) << l;
    ptx_set_pred(w, i->d, m);
}

static void x_isspacep_const(ptx_warp *w, const ptx_insn *i)
{
    const u64 *a = IN(u64, i->a);
    u32 m = 0;
    EACH_SET(l, w->exec) {
        const ptx_alloc *at = ptx_memory_find(w->worker->grid->mem, a[l]);
        m |= (u32)(at && at->read_only && at->is_variable) << l;
    }
    ptx_set_pred(w, i->d, m);
}

static bool decode_isspacep(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    uint64_t base = window_of(a);
    i->imm = (int64_t)(base >> PTX_WINDOW_SHIFT);
    i->op = base == PTX_WINDOW_SHARED && !ptx_has(a, "shared::cluster") ? ISSPACEP_CTA : ISSPACEP_ANY;
    i->run = ptx_has(a, "const") ? x_isspacep_const : x_isspacep;
    return ptx_alu_pred_dst(d, &a->operand[0], &i->d) &&
           ptx_alu_src(d, &a->operand[1], PTX_u64, &i->a);
}

const ptx_op_row ptx_ops_cvt[] = {
    {"cvt{.sat}.(u8 s8 u16 s16 u32 s32 u64 s64).(u8 s8 u16 s16 u32 s32 u64 s64) d:1>, a>",
     decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.$irnd{.ftz}{.sat}.(u8 s8 u16 s16 u32 s32 u64 s64).f32 d:1>, a",
     decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.$irnd{.sat}.(u8 s8 u16 s16 u32 s32 u64 s64).(f16 f64) d:1>, a>",
     decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.$irnd.(u16 s16 u32 s32 u64 s64).bf16 d:1>, a>", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.$rnd{.ftz}{.sat}.f32.(u8 s8 u16 s16 u32 s32 u64 s64) d:1>, a>",
     decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.$rnd{.sat}.(f16 f64).(u8 s8 u16 s16 u32 s32 u64 s64) d:1>, a>",
     decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.$rnd.bf16.(u16 s16 u32 s32 u64 s64) d:1>, a>", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt{.$irnd}{.ftz}{.sat}.f32.f32 d:1, a", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt{.$irnd}{.sat}.f64.f64 d:1, a", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt{.$irnd}{.sat}.f16.f16 d:1>, a>", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt{.$irnd}.bf16.bf16 d:1>, a>", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt{.ftz}{.sat}.f64.f32 d:1, a", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt{.ftz}{.sat}.f32.f16 d:1, a>", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt{.$rnd}{.ftz}.f32.bf16 d:1, a>", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt{.sat}.f64.f16 d:1, a>", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt{.$rnd}.f64.bf16 d:1, a>", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.$rnd{.ftz}{.sat}.f32.f64 d:1, a", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.$rnd{.ftz}{.sat}.f16.f32 d:1>, a", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.(rn rz){.relu}{.satfinite}.f16.f32 d:1>, a", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.$rnd{.sat}.f16.f64 d:1>, a", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.$rnd.bf16.f64 d:1>, a", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt{.$rnd}.bf16.f16 d:1>, a>", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.$rnd{.ftz}{.relu}{.satfinite}.bf16.f32 d:1>, a", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt{.$rnd}.f16.bf16 d:1>, a>", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.(rn rz){.relu}{.satfinite}.(f16x2 bf16x2).f32 d:1, a, b", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.rna{.satfinite}.tf32.f32 d:u32, a", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.(rn rz){.relu}{.satfinite}.tf32.f32 d:u32, a", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.rn.satfinite{.relu}.(e4m3x2 e5m2x2).f32 d:b16, a, b", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.rn.satfinite{.relu}.(e4m3x2 e5m2x2).f16x2 d:b16, a:b32",
     decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.rn{.relu}.f16x2.(e4m3x2 e5m2x2) d:b32, a:b16", decode_cvt, 0, PTX_UNIT_CVT},
    {"cvt.pack.sat.(u16 s16).s32 d:b32, a, b", decode_pack, 0, PTX_UNIT_CVT},
    {"cvt.pack.sat.(u8 s8 u4 s4 u2 s2).s32.b32 d:b32, a:s32, b:s32, c",
     decode_pack, 0, PTX_UNIT_CVT},
    {"cvta.$aspace.u64 d, a", decode_cvta, 0, PTX_UNIT_OTHER},
    {"cvta.to.$aspace.u64 d, a", decode_cvta, 0, PTX_UNIT_OTHER},
    {"isspacep.(global shared shared::cta shared::cluster local const param param::entry) p, ?a",
     decode_isspacep, 0, PTX_UNIT_SELECT},
    {0},
};
