/* Video instructions: arithmetic of bytes, halves and words that are taken out of registers, one at
 * a time (PTX ISA 9.7.18.1) or two or four side by side (9.7.18.2). What comes before a second
 * operation has 32 bits. */
#include "harness/ptx/alu.h"
#include "harness/ptx/lanes.h"

#include <string.h>

__extension__ typedef __int128 s128;

enum { V_ADD, V_SUB, V_AVRG, V_ABSDIFF, V_MIN, V_MAX, V_SHL, V_SHR, V_SET, V_MAD };
enum { THEN_NOTHING, THEN_ADD, THEN_MIN, THEN_MAX };
enum { MAX_PARTS = 4 };

typedef struct video_part { /* of a register: bits from `at` on */
    u8 at, bits;
} video_part;

typedef struct video_form {
    u8 op, then, compare;
    bool d_signed, a_signed, b_signed, sat, wraps;
    bool negates_product, negates_c, plus_one;
    u8 scale;                       /* vmad: right shift */
    u32 parts;                      /* SIMD: 2 or 4; else 1 */
    video_part d;                   /* scalar: where the result goes in c; bits 32: all */
    video_part a, b;                /* scalar */
    u8 pick[2][MAX_PARTS];          /* SIMD: elements of {b, a} that make up the operands */
    u8 mask;                        /* SIMD: elements of the result */
} video_form;

/* ---- arithmetic ---- */

static s64 extract(u64 word, video_part p, bool is_signed)
{
    u64 v = word >> p.at & ((1ull << p.bits) - 1);
    return is_signed && v >> (p.bits - 1) ? (s64)v - (1ll << p.bits) : (s64)v;
}

static s64 clamp(s128 v, u32 bits, bool is_signed)
{
    s128 one = 1, low = is_signed ? -(one << (bits - 1)) : 0,
         high = (one << (is_signed ? bits - 1 : bits)) - 1;
    return (s64)(v < low ? low : v > high ? high : v);
}

static bool compare(u32 how, s64 a, s64 b)
{
    static const u8 when[] = {2, 5, 1, 3, 4, 6}; /* eq ne lt le gt ge: bits less, equal, greater */
    return when[how] >> (a < b ? 0 : a == b ? 1 : 2) & 1;
}

static s128 operate(const video_form *f, s64 a, s64 b)
{
    u64 by = f->op == V_SHL || f->op == V_SHR ? f->wraps ? (u64)b & 31 : b > 32 ? 32 : (u64)b : 0;
    switch (f->op) {
    case V_ADD:
        return a + b;
    case V_SUB:
        return a - b;
    case V_AVRG:
        return (a + b + (a + b >= 0)) >> 1;
    case V_ABSDIFF:
        return a < b ? b - a : a - b;
    case V_MIN:
        return a < b ? a : b;
    case V_MAX:
        return a > b ? a : b;
    case V_SHL:
        return (s128)a * ((s128)1 << by);
    case V_SHR:
        return a >> by;
    default:
        return compare(f->compare, a, b);
    }
}

static u32 then(const video_form *f, u32 v, u32 c)
{
    bool less = f->d_signed ? (s32)v < (s32)c : v < c;
    switch (f->then) {
    case THEN_ADD:
        return v + c;
    case THEN_MIN:
        return less ? v : c;
    case THEN_MAX:
        return less ? c : v;
    default:
        return v;
    }
}

static u32 merge(u32 v, u32 c, video_part p)
{
    u32 mask = (u32)(((1ull << p.bits) - 1) << p.at);
    return (v << p.at & mask) | (c & ~mask);
}

static u32 scalar(const video_form *f, u32 a, u32 b, u32 c)
{
    s128 v = operate(f, extract(a, f->a, f->a_signed), extract(b, f->b, f->b_signed));
    if (f->sat)
        v = clamp(v, f->d.bits, f->d_signed);
    return merge(then(f, (u32)v, c), c, f->d);
}

/* The product's sign changes when one of its factors is negated. */
static u32 multiply(const video_form *f, u32 a, u32 b, u32 c)
{
    bool is_signed = f->a_signed || f->b_signed || f->negates_product || f->negates_c;
    s128 v = (s128)extract(a, f->a, f->a_signed) * extract(b, f->b, f->b_signed);
    s64 more = is_signed ? (s64)(s32)c : (s64)c;
    v = (f->negates_product ? -v : v) + (f->negates_c ? -more : more) + f->plus_one;
    v >>= f->scale;
    return (u32)(f->sat ? clamp(v, 32, is_signed) : v);
}

static u32 side_by_side(const video_form *f, u32 a, u32 b, u32 c)
{
    u64 both = (u64)b << 32 | a;
    u8 bits = (u8)(32 / f->parts);
    u32 d = c;
    for (u32 p = 0; p < f->parts; p++) {
        video_part pa = {(u8)(f->pick[0][p] * bits), bits}, pb = {(u8)(f->pick[1][p] * bits), bits};
        s128 v = operate(f, extract(both, pa, f->a_signed), extract(both, pb, f->b_signed));
        if (f->sat)
            v = clamp(v, bits, f->d_signed);
        if (f->mask >> p & 1)
            d = f->then == THEN_ADD ? d + (u32)v : merge((u32)v, d,
                                                         (video_part){(u8)(p * bits), bits});
    }
    return d;
}

static void x_video(ptx_warp *w, const ptx_insn *i)
{
    const video_form *f = i->aux;
    const u32 *a = IN(u32, i->a), *b = IN(u32, i->b), *c = IN(u32, i->c);
    LANES_SPARSE(u32, OUT(u32, i->d), f->parts > 1        ? side_by_side(f, a[l], b[l], c[l])
                                      : f->op == V_MAD ? multiply(f, a[l], b[l], c[l])
                                                       : scalar(f, a[l], b[l], c[l]));
}

/* ---- decoding ---- */

/* "b2" or "h1" of a register; NULL: all of it. */
static bool part_of(const ptx_operand *o, video_part *out)
{
    const char *s = o->kind == PTX_OPD_REG ? o->text : NULL;
    u32 bits = s && *s == 'h' ? 16 : 8;
    *out = (video_part){0, 32};
    if (!s)
        return true;
    if ((*s != 'b' && *s != 'h') || s[1] < '0' || (u32)(s[1] - '0') >= 32 / bits || s[2])
        return false;
    *out = (video_part){(u8)((u32)(s[1] - '0') * bits), (u8)bits};
    return true;
}

/* Digits of "b3210", the highest first, of `n` elements each below `below`. Fewer of them, each
 * once, with `mask`. */
static bool digits_of(const ptx_operand *o, u32 n, u32 below, u8 pick[MAX_PARTS], u8 *mask)
{
    const char *s = o->text;
    if (o->kind != PTX_OPD_REG)
        return false;
    if (!s)
        return true;
    size_t len = strlen(s + (*s != 0));
    if (*s != (n == 2 ? 'h' : 'b') || len > n || !len || (pick && len != n))
        return false;
    u8 seen = 0;
    for (size_t k = 0; k < len; k++) {
        u32 v = (u32)(s[1 + k] - '0');
        if (v >= below || (mask && k && s[1 + k] >= s[k]))
            return false;
        seen |= (u8)(1u << v);
        if (pick)
            pick[n - 1 - k] = (u8)v;
    }
    if (mask)
        *mask = seen;
    return true;
}

static bool decode_parts(const ptx_ast_insn *a, video_form *f)
{
    const ptx_operand *o = a->operand;
    u32 n = f->parts;
    if (n == 1)
        return part_of(&o[0], &f->d) && part_of(&o[1], &f->a) && part_of(&o[2], &f->b) &&
               (a->n_operands == 4 || f->d.bits == 32);
    for (u32 p = 0; p < n; p++) {
        f->pick[0][p] = (u8)p;
        f->pick[1][p] = (u8)(p + n);
    }
    f->mask = (u8)((1u << n) - 1);
    return digits_of(&o[0], n, n, NULL, &f->mask) && digits_of(&o[1], n, 2 * n, f->pick[0], NULL) &&
           digits_of(&o[2], n, 2 * n, f->pick[1], NULL);
}

static void decode_words(const ptx_ast_insn *a, video_form *f)
{
    static const char *const compares[] = {"eq", "ne", "lt", "le", "gt", "ge"};
    static const char *const seconds[] = {[THEN_ADD] = "add", [THEN_MIN] = "min",
                                          [THEN_MAX] = "max"};
    bool *sign[] = {&f->d_signed, &f->a_signed, &f->b_signed};
    u32 type = f->op == V_SET ? 1 : 0; /* which has the types of its sources only */
    for (int p = 1; p < a->n_parts; p++) {
        for (u8 c = 0; c < WS_COUNT(compares); c++)
            if (ws_str_eqz(a->part[p], compares[c]))
                f->compare = c;
        for (u8 t = THEN_ADD; t < WS_COUNT(seconds); t++)
            if (ws_str_eqz(a->part[p], seconds[t]))
                f->then = t;
        if (a->part[p].n == 3 && memcmp(a->part[p].p + 1, "32", 2) == 0)
            *sign[type++] = *a->part[p].p == 's';
    }
    f->sat = ptx_has(a, "sat");
    f->wraps = ptx_has(a, "wrap");
    f->plus_one = ptx_has(a, "po");
    f->scale = ptx_has(a, "shr7") ? 7 : ptx_has(a, "shr15") ? 15 : 0;
}

/* vmad: one of the product and c may be negated, without .po. */
static bool decode_signs(const ptx_ast_insn *a, video_form *f)
{
    const ptx_operand *o = a->operand;
    f->negates_product = o[1].neg_pred != o[2].neg_pred;
    f->negates_c = o[3].neg_pred;
    return !(f->negates_product && f->negates_c) &&
           !(f->plus_one && (o[1].neg_pred || o[2].neg_pred || o[3].neg_pred));
}

static bool decode_video(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    video_form *f = WS_ARENA_NEW(ptx_decoder_arena(d), video_form, 1);
    char last = a->part[0].p[a->part[0].n - 1];
    f->op = i->op;
    f->parts = last == '2' ? 2 : last == '4' ? 4 : 1;
    decode_words(a, f);
    i->aux = f;
    i->run = x_video;
    return decode_parts(a, f) && (f->op != V_MAD || decode_signs(a, f)) &&
           ptx_alu_dst(d, &a->operand[0], 4, &i->d) &&
           ptx_alu_src(d, &a->operand[1], PTX_u32, &i->a) &&
           ptx_alu_src(d, &a->operand[2], PTX_u32, &i->b) &&
           ptx_alu_src(d, &a->operand[a->n_operands > 3 ? 3 : 2], PTX_u32, &i->c);
}

#define SOURCES       "a.:u32, b.:u32"
#define THREE_TYPES   ".(u32 s32).(u32 s32).(u32 s32){.sat}"
#define SHIFT_TYPES   ".(u32 s32).(u32 s32).u32{.sat}.(clamp wrap)"
#define SET_TYPES     ".(u32 s32).(u32 s32).$icmp"
#define ONE(name, types, op)                                                                       \
    {name types " d:u32, " SOURCES, decode_video, op, PTX_UNIT_I32},                               \
        {name types " d.:u32, " SOURCES ", c:u32", decode_video, op, PTX_UNIT_I32},                \
        {name types ".(add min max) d:u32, " SOURCES ", c:u32", decode_video, op, PTX_UNIT_I32},
#define SEVERAL(name, op)                                                                          \
    {name ".(u32 s32).(u32 s32).(u32 s32){.sat} d.:u32, " SOURCES ", c:u32", decode_video, op,     \
     PTX_UNIT_I32},                                                                                \
        {name ".(u32 s32).(u32 s32).(u32 s32).add d.:u32, " SOURCES ", c:u32", decode_video, op,   \
         PTX_UNIT_I32},
#define TWO_AND_FOUR(name, op) SEVERAL(name "2", op) SEVERAL(name "4", op)

const ptx_op_row ptx_ops_video[] = {
    ONE("vadd", THREE_TYPES, V_ADD)
    ONE("vsub", THREE_TYPES, V_SUB)
    ONE("vabsdiff", THREE_TYPES, V_ABSDIFF)
    ONE("vmin", THREE_TYPES, V_MIN)
    ONE("vmax", THREE_TYPES, V_MAX)
    ONE("vshl", SHIFT_TYPES, V_SHL)
    ONE("vshr", SHIFT_TYPES, V_SHR)
    ONE("vset", SET_TYPES, V_SET)
    {"vmad.(u32 s32).(u32 s32).(u32 s32){.po}{.sat}{.(shr7 shr15)} d:u32, -a.:u32, -b.:u32, -c:u32",
     decode_video, V_MAD, PTX_UNIT_IMUL},
    TWO_AND_FOUR("vadd", V_ADD)
    TWO_AND_FOUR("vsub", V_SUB)
    TWO_AND_FOUR("vavrg", V_AVRG)
    TWO_AND_FOUR("vabsdiff", V_ABSDIFF)
    TWO_AND_FOUR("vmin", V_MIN)
    TWO_AND_FOUR("vmax", V_MAX)
    {"vset2" SET_TYPES "{.add} d.:u32, " SOURCES ", c:u32", decode_video, V_SET, PTX_UNIT_I32},
    {"vset4" SET_TYPES "{.add} d.:u32, " SOURCES ", c:u32", decode_video, V_SET, PTX_UNIT_I32},
    {0},
};
