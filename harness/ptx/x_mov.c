/* Moves, selections, comparisons, logic on predicates (PTX ISA 9.7.6, 9.7.8, 9.7.9.3, 9.7.9.4). */
#include "harness/ptx/compare.h"

#include <string.h>

/* ---- mov ---- */

#define MOVE(T)                                                                                    \
    LANES_HANDLER(mov_##T, T, a[l], const T *a = IN(T, i->a))
MOVE(u16)
MOVE(u32)
MOVE(u64)

typedef struct bits128 {
    u64 lo, hi;
} bits128;

static void x_mov_b128(ptx_warp *w, const ptx_insn *i)
{
    const bits128 *a = IN(bits128, i->a);
    bits128 *d = OUT(bits128, i->d);
    EACH_SET(l, w->exec) d[l] = a[l];
}

/* The address of a variable of the frame: .local, or .param of a function. */
static void x_mov_frame(ptx_warp *w, const ptx_insn *i)
{
    u64 at = (u64)i->imm + w->frame->local_base;
    if (i->dsize == 8)
        LANES_SPARSE(u64, OUT(u64, i->d), at);
    else
        LANES_SPARSE(u32, OUT(u32, i->d), at);
}

/* Slots of the elements of a vector operand; PTX_NO_SLOT for a `_` of a destination. */
typedef struct elements {
    u32 slot[4];
} elements;

#define PACK2(name, E, D)                                                                          \
    LANES_HANDLER(pack2_##name, D, (D)x[l] | (D)y[l] << 8 * sizeof(E),                             \
                  const elements *e = i->aux; const E *x = IN(E, e->slot[0]), *y = IN(E, e->slot[1]))
#define PACK4(name, E, D)                                                                          \
    static void x_pack4_##name(ptx_warp *w, const ptx_insn *i)                                     \
    {                                                                                              \
        const elements *e = i->aux;                                                                \
        const E *x = IN(E, e->slot[0]), *y = IN(E, e->slot[1]);                                    \
        const E *z = IN(E, e->slot[2]), *u = IN(E, e->slot[3]);                                    \
        D *d = OUT(D, i->d);                                                                       \
        LANES_DENSE(D, d, (D)((D)x[l] | (D)y[l] << 8 * sizeof(E) | (D)z[l] << 16 * sizeof(E) |     \
                              (D)u[l] << 24 * sizeof(E)));                                         \
    }
#define UNPACK(name, n, E, D)                                                                      \
    static void x_unpack##n##_##name(ptx_warp *w, const ptx_insn *i)                               \
    {                                                                                              \
        const elements *e = i->aux;                                                                \
        const D *a = IN(D, i->a);                                                                  \
        for (u32 k = 0; k < (n); k++) {                                                            \
            if (e->slot[k] == PTX_NO_SLOT)                                                         \
                continue;                                                                          \
            E *d = OUT(E, e->slot[k]);                                                             \
            LANES_DENSE(E, d, (E)(a[l] >> 8 * sizeof(E) * k));                                     \
        }                                                                                          \
    }
PACK2(b8, u8, u16)
PACK2(b16, u16, u32)
PACK2(b32, u32, u64)
PACK4(b8, u8, u32)
PACK4(b16, u16, u64)
UNPACK(b8, 2, u8, u16)
UNPACK(b16, 2, u16, u32)
UNPACK(b32, 2, u32, u64)
UNPACK(b8, 4, u8, u32)
UNPACK(b16, 4, u16, u64)

/* 128 bits: esize bytes an element, vec elements */
static void x_pack_b128(ptx_warp *w, const ptx_insn *i)
{
    const elements *e = i->aux;
    u8 *d = OUT(u8, i->d);
    EACH_SET(l, w->exec)
    for (u32 k = 0; k < i->vec; k++)
        memcpy(d + 16 * l + i->esize * k, IN(u8, e->slot[k]) + i->esize * l, i->esize);
}

static void x_unpack_b128(ptx_warp *w, const ptx_insn *i)
{
    const elements *e = i->aux;
    const u8 *a = IN(u8, i->a);
    EACH_SET(l, w->exec)
    for (u32 k = 0; k < i->vec; k++)
        if (e->slot[k] != PTX_NO_SLOT)
            memcpy(OUT(u8, e->slot[k]) + i->esize * l, a + 16 * l + i->esize * k, i->esize);
}

static ptx_type bits_of(uint32_t bytes)
{
    return bytes == 1 ? PTX_b8 : bytes == 2 ? PTX_b16 : bytes == 4 ? PTX_b32 : PTX_b64;
}

static ptx_handler choose_vector(bool pack, uint32_t bytes, int n)
{
    static const ptx_handler two[2][3] = {{x_unpack2_b8, x_unpack2_b16, x_unpack2_b32},
                                          {x_pack2_b8, x_pack2_b16, x_pack2_b32}};
    static const ptx_handler four[2][2] = {{x_unpack4_b8, x_unpack4_b16},
                                           {x_pack4_b8, x_pack4_b16}};
    uint32_t element = bytes / (uint32_t)n;
    if (bytes == 16)
        return element < 4 ? NULL : pack ? x_pack_b128 : x_unpack_b128;
    if (n == 2)
        return two[pack][element == 1 ? 0 : element == 2 ? 1 : 2];
    return element == 0 ? NULL : four[pack][element == 2];
}

static bool decode_vector(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i, ptx_type t)
{
    bool pack = a->operand[1].kind == PTX_OPD_VEC;
    const ptx_operand *v = &a->operand[pack];
    uint32_t bytes = ptx_type_bytes(t);
    if (a->operand[!pack].kind == PTX_OPD_VEC || (v->n_elem != 2 && v->n_elem != 4))
        return false;
    elements *e = WS_ARENA_NEW(ptx_decoder_arena(d), elements, 1);
    i->esize = (uint8_t)(bytes / (uint32_t)v->n_elem);
    i->vec = (uint8_t)v->n_elem;
    i->aux = e;
    i->run = choose_vector(pack, bytes, v->n_elem);
    for (int k = 0; k < v->n_elem && i->run; k++) {
        e->slot[k] = PTX_NO_SLOT;
        if (pack && v->elem[k].kind == PTX_OPD_IMM)
            e->slot[k] = ptx_const(d, (uint64_t)v->elem[k].imm, i->esize);
        else if (pack ? !ptx_alu_src(d, &v->elem[k], bits_of(i->esize), &e->slot[k])
                 : v->elem[k].kind != PTX_OPD_SINK &&
                       !ptx_alu_dst(d, &v->elem[k], i->esize, &e->slot[k]))
            return false;
    }
    return i->run && (pack ? ptx_alu_dst(d, &a->operand[0], bytes, &i->d)
                           : ptx_alu_src(d, &a->operand[1], t, &i->a));
}

static bool decode_address(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i, uint32_t bytes)
{
    const ptx_operand *o = &a->operand[1];
    bool entry = false, far = o->var->space == PTX_SPACE_GLOBAL || o->var->space == PTX_SPACE_CONST;
    if (bytes < 4 || (far && bytes < 8)) /* host addresses need 64 bits */
        return false;
    if (o->var->space != PTX_SPACE_LOCAL && o->var->space != PTX_SPACE_PARAM)
        return ptx_alu_src(d, o, bits_of(bytes), &i->a);
    uint32_t at = ptx_frame_var(d, o->var, &entry);
    i->imm = (int64_t)at + o->imm;
    if (entry) {
        i->a = ptx_const(d, (uint64_t)i->imm, bytes);
        return true;
    }
    i->dsize = (uint8_t)bytes;
    i->run = x_mov_frame;
    return true;
}

/* Special registers and functions are x_ctl.c's. */
static bool decode_mov(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    ptx_type t = i->match->last;
    uint32_t bytes = ptx_type_bytes(t);
    if (a->operand[0].kind == PTX_OPD_VEC || a->operand[1].kind == PTX_OPD_VEC)
        return decode_vector(d, a, i, t);
    i->run = bytes == 2 ? x_mov_u16 : bytes == 4 ? x_mov_u32 : bytes == 8 ? x_mov_u64 : x_mov_b128;
    if (a->operand[1].kind != PTX_OPD_VAR)
        return ptx_alu_operands(d, a, i);
    return ptx_alu_dst(d, &a->operand[0], bytes, &i->d) && decode_address(d, a, i, bytes);
}

/* ---- selp, slct ---- */

#define SELECT(T)                                                                                  \
    LANES_HANDLER(selp_##T, T, p >> l & 1 ? a[l] : b[l],                                           \
                  const T *a = IN(T, i->a), *b = IN(T, i->b);                                      \
                  const u32 p = w->pred[i->c] ^ (0 - (u32)i->type))                                \
    LANES_HANDLER(slct_s32_##T, T, c[l] >= 0 ? a[l] : b[l],                                        \
                  const T *a = IN(T, i->a), *b = IN(T, i->b);                                      \
                  const s32 *c = IN(s32, i->c))                                                    \
    LANES_HANDLER(slct_f32_##T, T, c[l] > zero ? a[l] : b[l],                                      \
                  const T *a = IN(T, i->a), *b = IN(T, i->b);                                      \
                  const f32 *c = IN(f32, i->c);                                                    \
                  const f32 zero = i->mods & PTX_FTZ ? -0x1p-126f : -0x1p-149f) /* above it: not negative */
SELECT(u16)
SELECT(u32)
SELECT(u64)

static bool decode_selp(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    static const ptx_handler by_width[] = {x_selp_u16, x_selp_u32, x_selp_u64};
    bool neg = false;
    i->run = by_width[ptx_type_bytes(i->match->last) / 4];
    if (!ptx_alu_operands(d, a, i) || !ptx_alu_pred_src(d, &a->operand[3], &i->c, &neg))
        return false;
    i->type = neg;
    return true;
}

static bool decode_slct(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    static const ptx_handler by_width[2][3] = {{x_slct_s32_u16, x_slct_s32_u32, x_slct_s32_u64},
                                               {x_slct_f32_u16, x_slct_f32_u32, x_slct_f32_u64}};
    i->run = by_width[i->match->last == PTX_f32][ptx_type_bytes(i->match->first) / 4];
    ptx_mods(a, i);
    return ptx_alu_operands(d, a, i);
}

/* ---- setp, set ---- */

static inline f32 flush(f32 x)
{
    return x < 0x1p-126f && x > -0x1p-126f ? 0
                                           : x; /* the zero's sign does not matter in comparisons */
}

typedef u32 (*compare_fn)(const ptx_warp *w, const ptx_insn *i);
#define SETP(name)                                                                                 \
    static void x_setp_##name(ptx_warp *w, const ptx_insn *i)                                      \
    {                                                                                              \
        ptx_cmp_store(w, i, test_##name(w, i));                                                    \
        if (w->whole == PTX_FULL)                                                                  \
            PTX_CHAIN(w, i);                                                                       \
    }
#define COMPARE(name, T, base, x, y)                                                               \
    static inline u32 test_##name(const ptx_warp *w, const ptx_insn *i)                            \
    {                                                                                              \
        const T *a = IN(T, i->a), *b = IN(T, i->b);                                                \
        u32 t[PTX_LANES] __attribute__((aligned(64)));                                             \
        EACH_LANE(l) t[l] = 0 - (u32)(CMP_TEST(base, x, y));                                       \
        return ptx_sign_bits(t);                                                                   \
    }                                                                                              \
    SETP(name)
#ifdef __AVX512F__ /* compares into masks, where gcc makes bits of its vectors one by one */
/* When registers are short, as under the sanitizers, gcc 12 keeps a mask of 16 bits in 2 bytes of the stack and takes
 * 4 of them for the number: it must leave the mask register at once. */
#define KEEP_WHOLE(bits) __asm__("" : "+r"(bits))
#define COMPARE_MASK(name, T, base, load, compare, how)                                            \
    static inline u32 test_##name(const ptx_warp *w, const ptx_insn *i)                            \
    {                                                                                              \
        const T *a = IN(T, i->a), *b = IN(T, i->b);                                                \
        enum { STEP = 64 / sizeof(T) };                                                            \
        u32 m = 0;                                                                                 \
        for (u32 l = 0; l < PTX_LANES; l += STEP) {                                                \
            u32 bits = compare(load(a + l), load(b + l), how);                                     \
            KEEP_WHOLE(bits);                                                                      \
            m |= bits << l;                                                                        \
        }                                                                                          \
        return m;                                                                                  \
    }                                                                                              \
    SETP(name)
#else
#define COMPARE_MASK(name, T, base, load, compare, how) COMPARE(name, T, base, a[l], b[l])
#endif
#define COMPARE_FLOAT(T, load, compare)                                                            \
    COMPARE_MASK(eq_##T, T, CMP_EQ, load, compare, _CMP_EQ_OQ)                                     \
    COMPARE_MASK(lt_##T, T, CMP_LT, load, compare, _CMP_LT_OQ)                                     \
    COMPARE_MASK(le_##T, T, CMP_LE, load, compare, _CMP_LE_OQ)                                     \
    COMPARE_MASK(lg_##T, T, CMP_LG, load, compare, _CMP_NEQ_OQ)                                    \
    COMPARE_MASK(num_##T, T, CMP_NUM, load, compare, _CMP_ORD_Q)
COMPARE(eq_u16, u16, CMP_EQ, a[l], b[l])
COMPARE(lt_u16, u16, CMP_LT, a[l], b[l])
COMPARE(lt_s16, s16, CMP_LT, a[l], b[l])
COMPARE_MASK(eq_u32, u32, CMP_EQ, _mm512_load_si512, _mm512_cmp_epu32_mask, _MM_CMPINT_EQ)
COMPARE_MASK(eq_u64, u64, CMP_EQ, _mm512_load_si512, _mm512_cmp_epu64_mask, _MM_CMPINT_EQ)
COMPARE_MASK(lt_u32, u32, CMP_LT, _mm512_load_si512, _mm512_cmp_epu32_mask, _MM_CMPINT_LT)
COMPARE_MASK(lt_s32, s32, CMP_LT, _mm512_load_si512, _mm512_cmp_epi32_mask, _MM_CMPINT_LT)
COMPARE_MASK(lt_u64, u64, CMP_LT, _mm512_load_si512, _mm512_cmp_epu64_mask, _MM_CMPINT_LT)
COMPARE_MASK(lt_s64, s64, CMP_LT, _mm512_load_si512, _mm512_cmp_epi64_mask, _MM_CMPINT_LT)
COMPARE_FLOAT(f32, _mm512_load_ps, _mm512_cmp_ps_mask)
COMPARE_FLOAT(f64, _mm512_load_pd, _mm512_cmp_pd_mask)
COMPARE(eq_ftz, f32, CMP_EQ, flush(a[l]), flush(b[l]))
COMPARE(lt_ftz, f32, CMP_LT, flush(a[l]), flush(b[l]))
COMPARE(le_ftz, f32, CMP_LE, flush(a[l]), flush(b[l]))
COMPARE(lg_ftz, f32, CMP_LG, flush(a[l]), flush(b[l]))
COMPARE(num_ftz, f32, CMP_NUM, a[l], b[l])

typedef struct comparison {
    ptx_handler setp;
    compare_fn test;
} comparison;
enum { K_U16, K_S16, K_U32, K_S32, K_U64, K_S64, K_F32, K_F64, K_FTZ, K_COUNT };
#define C(n) {x_setp_##n, test_##n}
#define C_FLOAT(n) [K_F32] = C(n##_f32), [K_F64] = C(n##_f64), [K_FTZ] = C(n##_ftz)
static const comparison comparisons[CMP_BASES][K_COUNT] = {
    [CMP_EQ] =
        {[K_U16] = C(eq_u16), C(eq_u16), C(eq_u32), C(eq_u32), C(eq_u64), C(eq_u64), C_FLOAT(eq)},
    [CMP_LT] =
        {[K_U16] = C(lt_u16), C(lt_s16), C(lt_u32), C(lt_s32), C(lt_u64), C(lt_s64), C_FLOAT(lt)},
    [CMP_LE] = {C_FLOAT(le)},
    [CMP_LG] = {C_FLOAT(lg)},
    [CMP_NUM] = {C_FLOAT(num)},
};

static int kind_of(ptx_type t, bool ftz)
{
    switch (t) {
    case PTX_b16: case PTX_u16: return K_U16;
    case PTX_s16: return K_S16;
    case PTX_b32: case PTX_u32: return K_U32;
    case PTX_s32: return K_S32;
    case PTX_b64: case PTX_u64: return K_U64;
    case PTX_s64: return K_S64;
    case PTX_f32: return ftz ? K_FTZ : K_F32;
    default: return K_F64;
    }
}

static const comparison *decode_compare(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    int kind = kind_of(i->match->last, ptx_has(a, "ftz")), base = ptx_cmp_decode(d, a, i, kind >= K_F32);
    return base < 0 ? NULL : &comparisons[base][kind];
}

static bool decode_setp(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    const comparison *c = decode_compare(d, a, i);
    if (!c || !ptx_alu_pred_dst(d, &a->operand[0], &i->d))
        return false;
    i->d2 = ptx_alu_second(d, &a->operand[0]);
    i->run = c->setp;
    return i->d2 != PTX_NO_SLOT;
}

/* target: the bits of true */
static void x_set(ptx_warp *w, const ptx_insn *i)
{
    const comparison *c = i->aux;
    u32 m = ptx_cmp_bool(w, i, c->test(w, i) ^ (u32)i->imm), *d = OUT(u32, i->d);
    const u32 yes = i->target;
    LANES_DENSE(u32, d, m >> l & 1 ? yes : 0);
}

/* To a half. */
static void x_set_half(ptx_warp *w, const ptx_insn *i)
{
    const comparison *c = i->aux;
    u32 m = ptx_cmp_bool(w, i, c->test(w, i) ^ (u32)i->imm);
    u16 *d = OUT(u16, i->d);
    const u16 yes = (u16)i->target;
    LANES_DENSE(u16, d, m >> l & 1 ? yes : 0);
}

static bool decode_set(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->aux = decode_compare(d, a, i);
    ptx_type to = i->match->first;
    i->target = to == PTX_f32 ? 0x3f800000 : to == PTX_f16 ? 0x3c00 : to == PTX_bf16 ? 0x3f80 : UINT32_MAX;
    i->run = ptx_type_bytes(to) == 2 ? x_set_half : x_set;
    return i->aux && ptx_alu_dst(d, &a->operand[0], ptx_type_bytes(to), &i->d);
}

/* ---- predicates ---- */

enum { P_MOV, P_NOT, P_AND, P_OR, P_XOR };

/* type: bit 0 and 1 negate the sources */
static void x_pred(ptx_warp *w, const ptx_insn *i)
{
    u32 x = w->pred[i->a] ^ (0 - (u32)(i->type & 1)),
        y = w->pred[i->b] ^ (0 - (u32)(i->type >> 1 & 1));
    ptx_set_pred(w, i->d, i->op == P_NOT ? ~x : i->op == P_AND ? x & y : i->op == P_OR ? x | y
                          : i->op == P_XOR ? x ^ y : x);
    if (w->whole == PTX_FULL)
        PTX_CHAIN(w, i);
}

static bool decode_pred(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    bool neg[2] = {false, false};
    if (!ptx_alu_pred_dst(d, &a->operand[0], &i->d) ||
        !ptx_alu_pred_src(d, &a->operand[1], &i->a, &neg[0]) ||
        (a->n_operands == 3 && !ptx_alu_pred_src(d, &a->operand[2], &i->b, &neg[1])))
        return false;
    i->type = (uint8_t)(neg[0] | neg[1] << 1);
    i->run = x_pred;
    return true;
}

const ptx_op_row ptx_ops_mov[] = {
    {"mov.(u16 s16 u32 s32 f32 u64 s64 f64 b16 b32 b64 b128) d, a", decode_mov, 0, PTX_UNIT_OTHER},
    {"mov.(b16 b32 b64 b128) {?d}, ?a", decode_mov, 0, PTX_UNIT_OTHER},
    {"mov.(b16 b32 b64 b128) d, {?a}", decode_mov, 0, PTX_UNIT_OTHER},
    {"mov.pred p, !a", decode_pred, P_MOV, PTX_UNIT_SELECT},
    {"setp.(eq ne).(b16 b32 b64) p|q, a, b", decode_setp, 0, PTX_UNIT_SELECT},
    {"setp.(eq ne).$bool.(b16 b32 b64) p|q, a, b, !c", decode_setp, 0, PTX_UNIT_SELECT},
    {"set.(eq ne).(u32 s32 f32 f16 bf16).(b16 b32 b64) d:1, a, b", decode_set, 0, PTX_UNIT_SELECT},
    {"set.(eq ne).$bool.(u32 s32 f32 f16 bf16).(b16 b32 b64) d:1, a, b, !c", decode_set, 0, PTX_UNIT_SELECT},
    {"setp.$icmp.(s16 s32 s64) p|q, a, b", decode_setp, 0, PTX_UNIT_SELECT},
    {"setp.$icmp.$bool.(s16 s32 s64) p|q, a, b, !c", decode_setp, 0, PTX_UNIT_SELECT},
    {"set.$icmp.(u32 s32 f32 f16 bf16).(s16 s32 s64) d:1, a, b", decode_set, 0, PTX_UNIT_SELECT},
    {"set.$icmp.$bool.(u32 s32 f32 f16 bf16).(s16 s32 s64) d:1, a, b, !c", decode_set, 0, PTX_UNIT_SELECT},
    {"setp.$ucmp.(u16 u32 u64) p|q, a, b", decode_setp, 0, PTX_UNIT_SELECT},
    {"setp.$ucmp.$bool.(u16 u32 u64) p|q, a, b, !c", decode_setp, 0, PTX_UNIT_SELECT},
    {"set.$ucmp.(u32 s32 f32 f16 bf16).(u16 u32 u64) d:1, a, b", decode_set, 0, PTX_UNIT_SELECT},
    {"set.$ucmp.$bool.(u32 s32 f32 f16 bf16).(u16 u32 u64) d:1, a, b, !c", decode_set, 0, PTX_UNIT_SELECT},
    {"setp.$fcmp{.ftz}.f32 p|q, a, b", decode_setp, 0, PTX_UNIT_SELECT},
    {"setp.$fcmp.$bool{.ftz}.f32 p|q, a, b, !c", decode_setp, 0, PTX_UNIT_SELECT},
    {"set.$fcmp{.ftz}.(u32 s32 f32 f16).f32 d:1, a, b", decode_set, 0, PTX_UNIT_SELECT},
    {"set.$fcmp.$bool{.ftz}.(u32 s32 f32 f16).f32 d:1, a, b, !c", decode_set, 0, PTX_UNIT_SELECT},
    {"set.$fcmp.bf16.f32 d:1, a, b", decode_set, 0, PTX_UNIT_SELECT},
    {"set.$fcmp.$bool.bf16.f32 d:1, a, b, !c", decode_set, 0, PTX_UNIT_SELECT},
    {"setp.$fcmp.f64 p|q, a, b", decode_setp, 0, PTX_UNIT_SELECT},
    {"setp.$fcmp.$bool.f64 p|q, a, b, !c", decode_setp, 0, PTX_UNIT_SELECT},
    {"set.$fcmp.(u32 s32 f32 f16 bf16).f64 d:1, a, b", decode_set, 0, PTX_UNIT_SELECT},
    {"set.$fcmp.$bool.(u32 s32 f32 f16 bf16).f64 d:1, a, b, !c", decode_set, 0, PTX_UNIT_SELECT},
    {"selp.(b16 b32 b64 u16 s16 u32 s32 u64 s64 f32 f64) d, a, b, !c",
     decode_selp, 0, PTX_UNIT_SELECT},
    {"slct.(b16 b32 b64 u16 s16 u32 s32 u64 s64 f32 f64).s32 d:1, a:1, b:1, c",
     decode_slct, 0, PTX_UNIT_SELECT},
    {"slct{.ftz}.(b16 b32 b64 u16 s16 u32 s32 u64 s64 f32 f64).f32 d:1, a:1, b:1, c",
     decode_slct, 0, PTX_UNIT_SELECT},
    {"not.pred p, !a", decode_pred, P_NOT, PTX_UNIT_SELECT},
    {"and.pred p, !a, !b", decode_pred, P_AND, PTX_UNIT_SELECT},
    {"or.pred p, !a, !b", decode_pred, P_OR, PTX_UNIT_SELECT},
    {"xor.pred p, !a, !b", decode_pred, P_XOR, PTX_UNIT_SELECT},
    {0},
};
