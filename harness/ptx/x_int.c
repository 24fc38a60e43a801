/* Integer arithmetic, logic and shifts (PTX ISA 9.7.1, 9.7.8). Wrap-around goes through the
 * unsigned type W of the element, at least 32 bits wide: no promotion to int can overflow. */
#include "harness/ptx/alu.h"
#include "harness/ptx/lanes.h"

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 s128;

/* Handlers of all six types. `expr` sees a, b, c and l, and the types T and W by its macro
 * parameters. */
#define UNARY(name, T, expr) LANES_HANDLER(name, T, expr, const T *a = IN(T, i->a))
#define BINARY(name, D, T, expr) LANES_HANDLER(name, D, expr, const T *a = IN(T, i->a), *b = IN(T, i->b))
#define TERNARY(name, D, T, expr)                                                                  \
    LANES_HANDLER(name, D, expr, const T *a = IN(T, i->a), *b = IN(T, i->b); const D *c = IN(D, i->c))
/* Second source of another type: a shift amount, a bit position. */
#define SHIFT(name, T, expr) LANES_HANDLER(name, T, expr, const T *a = IN(T, i->a); const u32 *b = IN(u32, i->b))

/* ---- add, sub, mul, mad ---- */

#define WRAPPING(T, W)                                                                             \
    BINARY(add_##T, T, T, (W)a[l] + (W)b[l])                                                       \
    BINARY(sub_##T, T, T, (W)a[l] - (W)b[l])                                                       \
    BINARY(mul_##T, T, T, (W)a[l] * (W)b[l])                                                       \
    TERNARY(mad_##T, T, T, (W)a[l] * (W)b[l] + (W)c[l])                                            \
    BINARY(and_##T, T, T, a[l] & b[l])                                                             \
    BINARY(or_##T, T, T, a[l] | b[l])                                                              \
    BINARY(xor_##T, T, T, a[l] ^ b[l])                                                             \
    UNARY(not_##T, T, ~a[l])                                                                       \
    UNARY(cnot_##T, T, a[l] == 0)                                                                  \
    UNARY(neg_##T, T, 0 - (W)a[l])                                                                 \
    SHIFT(shl_##T, T, b[l] < 8 * sizeof(T) ? (W)a[l] << (b[l] & (8 * sizeof(T) - 1)) : 0)
WRAPPING(u16, u32)
WRAPPING(u32, u32)
WRAPPING(u64, u64)

/* H: a type that holds the full product. */
#define HIGH(T, W, H)                                                                              \
    BINARY(mulhi_##T, T, T, (H)a[l] * (H)b[l] >> 8 * sizeof(T))                                    \
    TERNARY(madhi_##T, T, T, (W)((H)a[l] * (H)b[l] >> 8 * sizeof(T)) + (W)c[l])                    \
    BINARY(min_##T, T, T, a[l] < b[l] ? a[l] : b[l])                                               \
    BINARY(max_##T, T, T, a[l] > b[l] ? a[l] : b[l])                                               \
    TERNARY(sad_##T, T, T, (a[l] < b[l] ? (W)b[l] - (W)a[l] : (W)a[l] - (W)b[l]) + (W)c[l])
HIGH(u16, u32, u32)
HIGH(s16, u32, s32)
HIGH(u32, u32, u64)
HIGH(s32, u32, s64)
HIGH(u64, u64, u128)
HIGH(s64, u64, s128)

#define WIDE(D, T, W)                                                                              \
    BINARY(mulwide_##T, D, T, (D)a[l] * (D)b[l])                                                   \
    TERNARY(madwide_##T, D, T, (W)((D)a[l] * (D)b[l]) + (W)c[l])
WIDE(u32, u16, u32)
WIDE(s32, s16, u32)
#ifdef __AVX2__ /* one multiplication of 32 bits, where gcc makes one of 64 */
#ifdef __AVX512F__
enum { WIDE_STEP = 8 };
#define WIDE_LOAD(p)        _mm512_cvtepu32_epi64(_mm256_load_si256((const void *)(p)))
#define WIDE_STORE(p, x)    _mm512_store_si512((p), (x))
#define WIDE_MUL_u32(x, y)  _mm512_mul_epu32((x), (y))
#define WIDE_MUL_s32(x, y)  _mm512_mul_epi32((x), (y))
#else
enum { WIDE_STEP = 4 };
#define WIDE_LOAD(p)        _mm256_cvtepu32_epi64(_mm_load_si128((const void *)(p)))
#define WIDE_STORE(p, x)    _mm256_store_si256((void *)(p), (x))
#define WIDE_MUL_u32(x, y)  _mm256_mul_epu32((x), (y))
#define WIDE_MUL_s32(x, y)  _mm256_mul_epi32((x), (y))
#endif
#define WIDE_VECTOR(D, T)                                                                          \
    static inline void products_##T(D *out, const T *a, const T *b)                                \
    {                                                                                              \
        for (u32 l = 0; l < PTX_LANES; l += WIDE_STEP)                                             \
            WIDE_STORE(out + l, WIDE_MUL_##T(WIDE_LOAD(a + l), WIDE_LOAD(b + l)));                 \
    }                                                                                              \
    static __attribute__((noinline)) void x_mulwide_##T##_some(ptx_warp *w, const ptx_insn *i)     \
    {                                                                                              \
        D t[PTX_LANES] __attribute__((aligned(64)));                                               \
        products_##T(t, IN(T, i->a), IN(T, i->b));                                                 \
        LANES_DENSE(D, OUT(D, i->d), t[l]);                                                        \
    }                                                                                              \
    static void x_mulwide_##T(ptx_warp *w, const ptx_insn *i)                                      \
    {                                                                                              \
        if (w->whole != PTX_FULL) {                                                                \
            x_mulwide_##T##_some(w, i);                                                            \
            return;                                                                                \
        }                                                                                          \
        products_##T(OUT(D, i->d), IN(T, i->a), IN(T, i->b));                                      \
        PTX_CHAIN(w, i);                                                                           \
    }                                                                                              \
    static void x_madwide_##T(ptx_warp *w, const ptx_insn *i)                                      \
    {                                                                                              \
        const D *c = IN(D, i->c);                                                                  \
        D t[PTX_LANES] __attribute__((aligned(64))), *d = OUT(D, i->d);                            \
        products_##T(t, IN(T, i->a), IN(T, i->b));                                                 \
        LANES_DENSE(D, d, (D)((u64)t[l] + (u64)c[l]));                                             \
    }
WIDE_VECTOR(u64, u32)
WIDE_VECTOR(s64, s32)
#else
WIDE(u64, u32, u64)
WIDE(s64, s32, u64)
#endif

#define SIGNED(T, W)                                                                               \
    UNARY(abs_##T, T, a[l] < 0 ? 0 - (W)a[l] : (W)a[l])                                            \
    SHIFT(shr_##T, T, a[l] >> (b[l] < 8 * sizeof(T) ? b[l] : 8 * sizeof(T) - 1))
SIGNED(s16, u32)
SIGNED(s32, u32)
SIGNED(s64, u64)
#define UNSIGNED_SHR(T)                                                                            \
    SHIFT(shr_##T, T, b[l] < 8 * sizeof(T) ? a[l] >> (b[l] & (8 * sizeof(T) - 1)) : 0)
UNSIGNED_SHR(u16)
UNSIGNED_SHR(u32)
UNSIGNED_SHR(u64)

static inline s32 clamp_s32(s64 v)
{
    return v < INT32_MIN ? INT32_MIN : v > INT32_MAX ? INT32_MAX : (s32)v;
}
BINARY(addsat_s32, s32, s32, clamp_s32((s64)a[l] + b[l]))
BINARY(subsat_s32, s32, s32, clamp_s32((s64)a[l] - b[l]))
TERNARY(madhisat_s32, s32, s32, clamp_s32(((s64)a[l] * b[l] >> 32) + c[l]))
BINARY(minrelu_s32, s32, s32, a[l] < 0 || b[l] < 0 ? 0 : a[l] < b[l] ? a[l] : b[l])
BINARY(maxrelu_s32, s32, s32, a[l] < 0 && b[l] < 0 ? 0 : a[l] > b[l] ? a[l] : b[l])

#define LOW24U(x) ((x) & 0xffffff)
#define LOW24S(x) ((s32)((u32)(x) << 8) >> 8)
#define MUL24(T, H, LOW)                                                                           \
    BINARY(mul24lo_##T, T, T, (H)LOW(a[l]) * (H)LOW(b[l]))                                         \
    BINARY(mul24hi_##T, T, T, (H)LOW(a[l]) * (H)LOW(b[l]) >> 16)                                   \
    TERNARY(mad24lo_##T, T, T, (u32)((H)LOW(a[l]) * (H)LOW(b[l])) + (u32)c[l])                     \
    TERNARY(mad24hi_##T, T, T, (u32)((H)LOW(a[l]) * (H)LOW(b[l]) >> 16) + (u32)c[l])
MUL24(u32, u64, LOW24U)
MUL24(s32, s64, LOW24S)
TERNARY(mad24hisat_s32, s32, s32, clamp_s32(((s64)LOW24S(a[l]) * LOW24S(b[l]) >> 16) + c[l]))

/* ---- division ----
 * By zero all ones, as in the code that ptxas makes; the least number by -1 wraps. */

/* The quotient of 32-bit integers truncates exactly from double, which vectorises. */
static inline u32 div_u32(u32 a, u32 b)
{
    return b ? (u32)((f64)a / (f64)(b ? b : 1)) : UINT32_MAX;
}
static inline s32 div_s32(s32 a, s32 b)
{
    s32 q = (s32)((f64)a / (f64)(b == 0 || b == -1 ? 1 : b));
    return b == 0 ? -1 : b == -1 ? (s32)(0 - (u32)a) : q;
}
static inline u64 div_u64(u64 a, u64 b)
{
    return b ? a / b : UINT64_MAX;
}
static inline s64 div_s64(s64 a, s64 b)
{
    return b == 0 ? -1 : b == -1 ? (s64)(0 - (u64)a) : a / b;
}
#define DIVISION(T, U, f)                                                                          \
    BINARY(div_##T, T, T, f(a[l], b[l]))                                                           \
    BINARY(rem_##T, T, T, b[l] ? (U)a[l] - (U)f(a[l], b[l]) * (U)b[l] : (U)-1)
DIVISION(u16, u32, div_u32)
DIVISION(s16, u32, div_s32)
DIVISION(u32, u32, div_u32)
DIVISION(s32, u32, div_s32)

/* 64-bit operands are mostly small numbers: then the 32-bit way serves. */
#define LONG_DIVISION(name, T, wide, narrow)                                                       \
    static void x_##name(ptx_warp *w, const ptx_insn *i)                                           \
    {                                                                                              \
        const T *a = IN(T, i->a), *b = IN(T, i->b);                                                \
        T *d = OUT(T, i->d);                                                                       \
        u64 all = 0;                                                                               \
        bool zero = false;                                                                         \
        EACH_LANE(l) all |= (u64)a[l] | (u64)b[l];                                                 \
        EACH_LANE(l) zero |= b[l] == 0;                                                            \
        if (all >> 32 || zero)                                                                     \
            LANES_SPARSE(T, d, wide);                                                              \
        else                                                                                       \
            LANES_DENSE(T, d, (T)(narrow));                                                        \
    }
#define REM_U64(a, b) ((b) ? (a) % (b) : UINT64_MAX)
#define REM_S64(a, b) ((b) == 0 ? -1 : (b) == -1 ? 0 : (a) % (b))
#define REM_U32(a, b) ((a) - div_u32((a), (b)) * (b))
LONG_DIVISION(div_u64, u64, div_u64(a[l], b[l]), div_u32((u32)a[l], (u32)b[l]))
LONG_DIVISION(div_s64, s64, div_s64(a[l], b[l]), div_u32((u32)a[l], (u32)b[l]))
LONG_DIVISION(rem_u64, u64, REM_U64(a[l], b[l]), REM_U32((u32)a[l], (u32)b[l]))
LONG_DIVISION(rem_s64, s64, REM_S64(a[l], b[l]), REM_U32((u32)a[l], (u32)b[l]))

/* ---- bits ---- */

#define COUNT(name, T, expr)                                                                       \
    LANES_HANDLER(name, u32, expr, const T *a = IN(T, i->a))
#define SIGNLESS(x) ((x) < 0 ? ~(x) : (x))
COUNT(popc_u32, u32, __builtin_popcount(a[l]))
COUNT(popc_u64, u64, __builtin_popcountll(a[l]))
COUNT(clz_u32, u32, a[l] ? __builtin_clz(a[l]) : 32)
COUNT(clz_u64, u64, a[l] ? __builtin_clzll(a[l]) : 64)
COUNT(bfind_u32, u32, a[l] ? 31 - __builtin_clz(a[l]) : -1)
COUNT(bfind_s32, s32, SIGNLESS(a[l]) ? 31 - __builtin_clz((u32)SIGNLESS(a[l])) : -1)
COUNT(bfind_u64, u64, a[l] ? 63 - __builtin_clzll(a[l]) : -1)
COUNT(bfind_s64, s64, SIGNLESS(a[l]) ? 63 - __builtin_clzll((u64)SIGNLESS(a[l])) : -1)
COUNT(shamt_u32, u32, a[l] ? __builtin_clz(a[l]) : -1)
COUNT(shamt_s32, s32, SIGNLESS(a[l]) ? __builtin_clz((u32)SIGNLESS(a[l])) : -1)
COUNT(shamt_u64, u64, a[l] ? __builtin_clzll(a[l]) : -1)
COUNT(shamt_s64, s64, SIGNLESS(a[l]) ? __builtin_clzll((u64)SIGNLESS(a[l])) : -1)

static inline u32 reverse_u32(u32 x)
{
    x = (x >> 1 & 0x55555555) | (x & 0x55555555) << 1;
    x = (x >> 2 & 0x33333333) | (x & 0x33333333) << 2;
    x = (x >> 4 & 0x0f0f0f0f) | (x & 0x0f0f0f0f) << 4;
    x = (x >> 8 & 0x00ff00ff) | (x & 0x00ff00ff) << 8;
    return x >> 16 | x << 16;
}
UNARY(brev_u32, u32, reverse_u32(a[l]))
UNARY(brev_u64, u64, (u64)reverse_u32((u32)a[l]) << 32 | reverse_u32((u32)(a[l] >> 32)))

/* Positions and lengths have 8 bits. No branches, so that the loops vectorise. */
#define FIELDS(T, W)                                                                               \
    static inline T low_##T(u32 n) /* the bits below n */                                          \
    {                                                                                              \
        return n >= (W) ? (T)-1 : ((T)1 << (n & ((W)-1))) - 1;                                     \
    }                                                                                              \
    static inline T extract_##T(T a, u32 b, u32 c, bool is_signed)                                 \
    {                                                                                              \
        u32 pos = b & 255, len = c & 255, end = pos + len, last = end - 1 < (W) ? end - 1 : (W)-1; \
        T sign = is_signed ? 0 - (a >> (last & ((W)-1)) & (len ? 1 : 0)) : 0;                      \
        u32 room = pos < (W) ? (W)-pos : 0;                                                        \
        T mask = low_##T(len < room ? len : room);                                                 \
        return (a >> (pos & ((W)-1)) & mask) | (sign & ~mask);                                     \
    }                                                                                              \
    static inline T insert_##T(T a, T b, u32 c, u32 n)                                             \
    {                                                                                              \
        u32 pos = c & 255;                                                                         \
        T mask = pos < (W) ? low_##T(n & 255) << (pos & ((W)-1)) : 0;                              \
        return (b & ~mask) | (a << (pos & ((W)-1)) & mask);                                        \
    }
FIELDS(u32, 32)
FIELDS(u64, 64)
#define BFE(T, U, s)                                                                               \
    LANES_HANDLER(bfe_##T, T, (T)extract_##U((U)a[l], b[l], c[l], s),                              \
                  const T *a = IN(T, i->a); const u32 *b = IN(u32, i->b), *c = IN(u32, i->c))
BFE(u32, u32, false)
BFE(s32, u32, true)
BFE(u64, u64, false)
BFE(s64, u64, true)
/* Four sources: the length is in d2. */
#define BFI(T)                                                                                     \
    LANES_HANDLER(bfi_##T, T, insert_##T(a[l], b[l], c[l], n[l]),                                  \
                  const T *a = IN(T, i->a), *b = IN(T, i->b); const u32 *c = IN(u32, i->c), *n = IN(u32, i->d2))
BFI(u32)
BFI(u64)

static inline u32 field_mask(u32 a, u32 b, bool clamp)
{
    if (clamp && a >= 32)
        return 0;
    u32 pos = a & 31, len = clamp ? (b < 32 ? b : 32) : b & 31;
    return (u32)(low_u64(len) << pos);
}
BINARY(bmsk_clamp, u32, u32, field_mask(a[l], b[l], true))
BINARY(bmsk_wrap, u32, u32, field_mask(a[l], b[l], false))

static inline u32 extend_bits(u32 a, u32 n, bool clamp, bool is_signed)
{
    u32 len = n & 31;
    if (clamp && n >= 32)
        return a;
    u32 field = a & low_u32(len);
    bool sign = is_signed && len && (a >> ((len - 1) & 31) & 1);
    return sign ? field | ~low_u32(len) : field;
}
BINARY(szext_u32, u32, u32, extend_bits(a[l], b[l], i->op, false))
BINARY(szext_s32, u32, u32, extend_bits(a[l], b[l], i->op, true))

TERNARY(shf_l_clamp, u32, u32, (((u64)b[l] << 32 | a[l]) << (c[l] < 32 ? c[l] : 32)) >> 32)
TERNARY(shf_l_wrap, u32, u32, (((u64)b[l] << 32 | a[l]) << (c[l] & 31)) >> 32)
TERNARY(shf_r_clamp, u32, u32, ((u64)b[l] << 32 | a[l]) >> (c[l] < 32 ? c[l] : 32))
TERNARY(shf_r_wrap, u32, u32, ((u64)b[l] << 32 | a[l]) >> (c[l] & 31))

static void x_lop3(ptx_warp *w, const ptx_insn *i)
{
    const u32 *a = IN(u32, i->a), *b = IN(u32, i->b), *c = IN(u32, i->c);
    u32 *d = OUT(u32, i->d), m[8];
    for (int k = 0; k < 8; k++)
        m[k] = 0 - (u32)(i->imm >> k & 1);
#define HALF(s)                                                                                    \
    ((b[l] & ((c[l] & m[(s) + 3]) | (~c[l] & m[(s) + 2]))) |                                       \
     (~b[l] & ((c[l] & m[(s) + 1]) | (~c[l] & m[s]))))
    LANES_DENSE(u32, d, (a[l] & HALF(4)) | (~a[l] & HALF(0)));
}

/* p = (d != 0) op q; p in d2, q and its sense in the low bits of `target`, op in type. */
static void x_lop3_pred(ptx_warp *w, const ptx_insn *i)
{
    x_lop3(w, i);
    const u32 *d = OUT(u32, i->d);
    u32 set = 0, q = w->pred[i->target >> 1] ^ (0 - (i->target & 1));
    EACH_LANE(l) set |= (u32)(d[l] != 0) << l;
    ptx_set_pred(w, i->d2, i->type ? set & q : set | q);
}

/* Byte selectors of prmt's modes, four bits a byte, for c & 3 = 0..3 (PTX ISA, table of prmt). */
enum { PRMT_GENERIC, PRMT_F4E, PRMT_B4E, PRMT_RC8, PRMT_ECL, PRMT_ECR, PRMT_RC16 };
static const u32 prmt_select[][4] = {
    {0},
    {0x3210, 0x4321, 0x5432, 0x6543},
    {0x5670, 0x6701, 0x7012, 0x0123},
    {0x0000, 0x1111, 0x2222, 0x3333},
    {0x3210, 0x3211, 0x3222, 0x3333},
    {0x0000, 0x1110, 0x2210, 0x3210},
    {0x1010, 0x3232, 0x1010, 0x3232},
};
static inline u32 permute_byte(u64 bytes, u32 select)
{
    u32 byte = (u32)(bytes >> 8 * (select & 7)) & 255;
    return select & 8 ? (0 - (byte >> 7)) & 255 : byte;
}
static inline u32 permute(u32 a, u32 b, u32 select)
{
    u64 bytes = (u64)b << 32 | a;
    return permute_byte(bytes, select) | permute_byte(bytes, select >> 4) << 8 |
           permute_byte(bytes, select >> 8) << 16 | permute_byte(bytes, select >> 12) << 24;
}
TERNARY(prmt, u32, u32, permute(a[l], b[l], c[l]))
TERNARY(prmt_mode, u32, u32, permute(a[l], b[l], prmt_select[i->type][c[l] & 3]))

/* Sub-word `k` of x, `bits` wide. */
#define PIECE(x, k, bits, s)                                                                       \
    ((s) ? (s32)((x) << (32 - (bits) - (k) * (bits))) >> (32 - (bits))                             \
         : (s32)((x) >> (k) * (bits) & ((1u << (bits)) - 1)))
enum { DOT_A_SIGNED = 1, DOT_B_SIGNED = 2, DOT_HI = 4 };
static inline u32 dot4(u32 a, u32 b, u32 c, int form)
{
    for (int k = 0; k < 4; k++)
        c += (u32)(PIECE(a, k, 8, form & DOT_A_SIGNED) * PIECE(b, k, 8, form & DOT_B_SIGNED));
    return c;
}
static inline u32 dot2(u32 a, u32 b, u32 c, int form)
{
    b >>= form & DOT_HI ? 16 : 0;
    for (int k = 0; k < 2; k++)
        c += (u32)(PIECE(a, k, 16, form & DOT_A_SIGNED) * PIECE(b, k, 8, form & DOT_B_SIGNED));
    return c;
}
TERNARY(dp4a, u32, u32, dot4(a[l], b[l], c[l], i->type))
TERNARY(dp2a, u32, u32, dot2(a[l], b[l], c[l], i->type))

/* ---- packed 16-bit halves ---- */

#define HI16(x) ((x) >> 16)
#define PACKED(name, T, f)                                                                         \
    BINARY(name, u32, u32, (u32)(u16)(f((T)a[l], (T)b[l])) |                                       \
                               (u32)(u16)(f((T)HI16(a[l]), (T)HI16(b[l]))) << 16)
#define ADD2(x, y) ((x) + (y))
#define MIN2(x, y) ((x) < (y) ? (x) : (y))
#define MAX2(x, y) ((x) > (y) ? (x) : (y))
#define MINRELU2(x, y) MAX2(MIN2(x, y), 0)
#define MAXRELU2(x, y) MAX2(MAX2(x, y), 0)
PACKED(add_u16x2, u16, ADD2)
PACKED(min_u16x2, u16, MIN2)
PACKED(max_u16x2, u16, MAX2)
PACKED(min_s16x2, s16, MIN2)
PACKED(max_s16x2, s16, MAX2)
PACKED(minrelu_s16x2, s16, MINRELU2)
PACKED(maxrelu_s16x2, s16, MAXRELU2)

/* ---- extended precision: the carry or borrow is a bit a lane ---- */

enum { CC_ADD, CC_SUB, CC_MAD_LO, CC_MAD_HI, CC_IN = 8, CC_OUT = 16 };

static void x_carry(ptx_warp *w, const ptx_insn *i)
{
    bool wide = i->dsize == 8, is_signed = i->flags & PTX_IF_SIGNED;
    int kind = i->type & 3;
    EACH_SET(l, w->exec) {
        u64 x = wide ? IN(u64, i->a)[l] : IN(u32, i->a)[l],
            y = wide ? IN(u64, i->b)[l] : IN(u32, i->b)[l];
        u64 in = i->type & CC_IN ? w->carry >> l & 1 : 0, r;
        bool out;
        if (kind == CC_MAD_LO || kind == CC_MAD_HI) {
            u128 t = is_signed ? (u128)(wide ? (s128)(s64)x * (s64)y : (s128)(s32)x * (s32)y)
                               : (u128)x * y;
            x = (u64)(kind == CC_MAD_HI ? t >> (wide ? 64 : 32) : t);
            x = wide ? x : (u32)x;
            y = wide ? IN(u64, i->c)[l] : IN(u32, i->c)[l];
        }
        u128 t = kind == CC_SUB ? (u128)x - y - in : (u128)x + y + in;
        r = (u64)t;
        out = wide ? t >> 64 & 1 : t >> 32 & 1;
        if (wide)
            OUT(u64, i->d)[l] = r;
        else
            OUT(u32, i->d)[l] = (u32)r;
        if (i->type & CC_OUT)
            w->carry = (w->carry & ~(1u << l)) | (u32)out << l;
    }
}

/* ---- decoding ---- */

/* The column of `handlers`. */
static int type_index(ptx_type t)
{
    switch (t) {
    case PTX_b16: case PTX_u16: return 0;
    case PTX_s16: return 1;
    case PTX_b32: case PTX_u32: return 2;
    case PTX_s32: return 3;
    case PTX_b64: case PTX_u64: return 4;
    case PTX_s64: return 5;
    default: return -1;
    }
}

typedef enum int_op {
    I_ADD,
    I_SUB,
    I_MUL,
    I_MULHI,
    I_MULWIDE,
    I_MAD,
    I_MADHI,
    I_MADWIDE,
    I_SAD,
    I_DIV,
    I_REM,
    I_MIN,
    I_MAX,
    I_NEG,
    I_ABS,
    I_AND,
    I_OR,
    I_XOR,
    I_NOT,
    I_CNOT,
    I_SHL,
    I_SHR,
    I_POPC,
    I_CLZ,
    I_BFIND,
    I_SHAMT,
    I_BREV,
    I_BFE,
    I_BFI
} int_op;

#define ALL(n) {x_##n##_u16, x_##n##_s16, x_##n##_u32, x_##n##_s32, x_##n##_u64, x_##n##_s64}
#define SAME(n) {x_##n##_u16, x_##n##_u16, x_##n##_u32, x_##n##_u32, x_##n##_u64, x_##n##_u64}
#define NARROW(n) {x_##n##_u16, x_##n##_s16, x_##n##_u32, x_##n##_s32}
#define LARGE(n) {[2] = x_##n##_u32, x_##n##_s32, x_##n##_u64, x_##n##_s64}
#define LARGE_SAME(n) {[2] = x_##n##_u32, x_##n##_u32, x_##n##_u64, x_##n##_u64}
static const ptx_handler handlers[][6] = {
    [I_ADD] = SAME(add),
    [I_SUB] = SAME(sub),
    [I_MUL] = SAME(mul),
    [I_MULHI] = ALL(mulhi),
    [I_MULWIDE] = NARROW(mulwide),
    [I_MAD] = SAME(mad),
    [I_MADHI] = ALL(madhi),
    [I_MADWIDE] = NARROW(madwide),
    [I_SAD] = ALL(sad),
    [I_DIV] = ALL(div),
    [I_REM] = ALL(rem),
    [I_MIN] = ALL(min),
    [I_MAX] = ALL(max),
    [I_NEG] = SAME(neg),
    [I_ABS] = {[1] = x_abs_s16, [3] = x_abs_s32, [5] = x_abs_s64},
    [I_AND] = SAME(and),
    [I_OR] = SAME(or),
    [I_XOR] = SAME(xor),
    [I_NOT] = SAME(not ),
    [I_CNOT] = SAME(cnot),
    [I_SHL] = SAME(shl),
    [I_SHR] = ALL(shr),
    [I_POPC] = LARGE_SAME(popc),
    [I_CLZ] = LARGE_SAME(clz),
    [I_BFIND] = LARGE(bfind),
    [I_SHAMT] = LARGE(shamt),
    [I_BREV] = LARGE_SAME(brev),
    [I_BFE] = LARGE(bfe),
    [I_BFI] = LARGE_SAME(bfi),
};

static void choose(ptx_insn *i, int op)
{
    i->run = handlers[op][type_index(i->match->last)];
}

static bool decode_same(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    choose(i, i->op);
    return ptx_alu_operands(d, a, i);
}

/* selector: CC_* */
static bool decode_carry(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    int t = type_index(i->match->last);
    i->type = (uint8_t)(i->op | (ptx_has(a, "hi") ? CC_MAD_HI : 0) | (ptx_has(a, "cc") ? CC_OUT : 0));
    i->dsize = t < 4 ? 4 : 8;
    i->flags = t & 1 ? PTX_IF_SIGNED : 0;
    i->run = x_carry;
    return ptx_alu_operands(d, a, i);
}

/* add and sub that do not wrap, and of pairs */
static bool decode_add(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->run = !ptx_has(a, "sat") ? x_add_u16x2 : i->op == I_ADD ? x_addsat_s32 : x_subsat_s32;
    return ptx_alu_operands(d, a, i);
}

/* min and max with .relu, and of pairs */
static bool decode_minmax(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    static const ptx_handler table[][2] = {{x_max_u16x2, x_min_u16x2},         {x_max_s16x2, x_min_s16x2},
                                           {x_maxrelu_s16x2, x_minrelu_s16x2}, {x_maxrelu_s32, x_minrelu_s32}};
    int row = ptx_has(a, "u16x2") ? 0 : !ptx_has(a, "relu") ? 1 : ptx_has(a, "s16x2") ? 2 : 3;
    i->run = table[row][i->op == I_MIN];
    return ptx_alu_operands(d, a, i);
}

static bool decode_mul(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    choose(i, i->op + (ptx_has(a, "hi") ? 1 : ptx_has(a, "wide") ? 2 : 0));
    if (ptx_has(a, "sat"))
        i->run = x_madhisat_s32;
    return ptx_alu_operands(d, a, i);
}

/* selector 0: mul24, 1: mad24 */
static bool decode_mul24(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    static const ptx_handler table[2][2][2] = {
        {{x_mul24lo_u32, x_mul24lo_s32}, {x_mul24hi_u32, x_mul24hi_s32}},
        {{x_mad24lo_u32, x_mad24lo_s32}, {x_mad24hi_u32, x_mad24hi_s32}},
    };
    i->run = ptx_has(a, "sat") ? x_mad24hisat_s32
                               : table[i->op][ptx_has(a, "hi")][i->match->last == PTX_s32];
    return ptx_alu_operands(d, a, i);
}

/* The n-th set bit of `mask` from bit `base` on, upwards or, if n < 0, downwards; all ones: there is none. */
static u32 find_nth(u32 mask, u32 base, s32 n)
{
    s64 left = n < 0 ? -(s64)n : n;
    for (s64 at = base; at >= 0 && at < 32; at += n < 0 ? -1 : 1) {
        left -= mask >> at & 1;
        if (left <= 0 && mask >> at & 1)
            return (u32)at;
        if (!n)
            break;
    }
    return UINT32_MAX;
}

static void x_fns(ptx_warp *w, const ptx_insn *i)
{
    const u32 *a = IN(u32, i->a), *b = IN(u32, i->b);
    const s32 *c = IN(s32, i->c);
    u32 *d = OUT(u32, i->d);
    LANES_SPARSE(u32, d, find_nth(a[l], b[l], c[l]));
}

static bool decode_fns(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->run = x_fns;
    return ptx_alu_operands(d, a, i);
}

/* selector 0: bmsk, 1: szext */
static bool decode_clamp_wrap(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    bool clamp = ptx_has(a, "clamp");
    i->run = i->op == 0                   ? (clamp ? x_bmsk_clamp : x_bmsk_wrap)
             : i->match->last == PTX_s32 ? x_szext_s32
                                          : x_szext_u32;
    i->op = clamp;
    return ptx_alu_operands(d, a, i);
}

static bool decode_shf(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    bool left = ptx_has(a, "l"), clamp = ptx_has(a, "clamp");
    i->run = left ? (clamp ? x_shf_l_clamp : x_shf_l_wrap) : clamp ? x_shf_r_clamp : x_shf_r_wrap;
    return ptx_alu_operands(d, a, i);
}

static bool decode_lop3(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    bool with_pred = a->n_operands == 6, neg = false;
    i->imm = a->operand[4].imm;
    i->run = with_pred ? x_lop3_pred : x_lop3;
    if (!ptx_alu_operands(d, a, i))
        return false;
    if (!with_pred)
        return true;
    i->type = ptx_has(a, "and");
    i->d2 = ptx_alu_second(d, &a->operand[0]);
    if (i->d2 == PTX_NO_SLOT || !ptx_alu_pred_src(d, &a->operand[5], &i->target, &neg))
        return false;
    i->target = i->target << 1 | neg;
    return true;
}

static bool decode_prmt(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    static const char *const modes[] = {[PRMT_F4E] = "f4e", "b4e", "rc8", "ecl", "ecr", "rc16"};
    for (uint8_t m = PRMT_F4E; m < WS_COUNT(modes); m++)
        if (ptx_has(a, modes[m]))
            i->type = m;
    i->run = i->type ? x_prmt_mode : x_prmt;
    return ptx_alu_operands(d, a, i);
}

/* selector 0: dp4a, 1: dp2a */
static bool decode_dot(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->type = (uint8_t)((i->match->first == PTX_s32 ? DOT_A_SIGNED : 0) |
                        (i->match->last == PTX_s32 ? DOT_B_SIGNED : 0) | (ptx_has(a, "hi") ? DOT_HI : 0));
    i->run = i->op ? x_dp2a : x_dp4a;
    return ptx_alu_operands(d, a, i);
}

const ptx_op_row ptx_ops_int[] = {
    {"add.$int d, a, b", decode_same, I_ADD, PTX_UNIT_I32},
    {"add.sat.s32 d, a, b", decode_add, I_ADD, PTX_UNIT_I32},
    {"add.(u16x2 s16x2) d:b32, a:b32, b:b32", decode_add, I_ADD, PTX_UNIT_I32},
    {"add.cc.$wint d, a, b", decode_carry, CC_ADD, PTX_UNIT_I32},
    {"addc{.cc}.$wint d, a, b", decode_carry, CC_ADD | CC_IN, PTX_UNIT_I32},
    {"sub.$int d, a, b", decode_same, I_SUB, PTX_UNIT_I32},
    {"sub.sat.s32 d, a, b", decode_add, I_SUB, PTX_UNIT_I32},
    {"sub.cc.$wint d, a, b", decode_carry, CC_SUB, PTX_UNIT_I32},
    {"subc{.cc}.$wint d, a, b", decode_carry, CC_SUB | CC_IN, PTX_UNIT_I32},
    {"mul.(lo hi).$int d, a, b", decode_mul, I_MUL, PTX_UNIT_IMUL},
    {"mul.wide.(u16 s16 u32 s32) d:2, a, b", decode_mul, I_MUL, PTX_UNIT_IMUL},
    {"mad.(lo hi).$int d, a, b, c", decode_mul, I_MAD, PTX_UNIT_IMUL},
    {"mad.wide.(u16 s16 u32 s32) d:2, a, b, c:2", decode_mul, I_MAD, PTX_UNIT_IMUL},
    {"mad.hi.sat.s32 d, a, b, c", decode_mul, I_MAD, PTX_UNIT_IMUL},
    {"mad.(lo hi).cc.$wint d, a, b, c", decode_carry, CC_MAD_LO, PTX_UNIT_IMUL},
    {"madc.(lo hi){.cc}.$wint d, a, b, c", decode_carry, CC_MAD_LO | CC_IN, PTX_UNIT_IMUL},
    {"mul24.(lo hi).(u32 s32) d, a, b", decode_mul24, 0, PTX_UNIT_IMUL},
    {"mad24.(lo hi).(u32 s32) d, a, b, c", decode_mul24, 1, PTX_UNIT_IMUL},
    {"mad24.hi.sat.s32 d, a, b, c", decode_mul24, 1, PTX_UNIT_IMUL},
    {"and.(b16 b32 b64) d, a, b", decode_same, I_AND, PTX_UNIT_I32},
    {"or.(b16 b32 b64) d, a, b", decode_same, I_OR, PTX_UNIT_I32},
    {"xor.(b16 b32 b64) d, a, b", decode_same, I_XOR, PTX_UNIT_I32},
    {"not.(b16 b32 b64) d, a", decode_same, I_NOT, PTX_UNIT_I32},
    {"cnot.(b16 b32 b64) d, a", decode_same, I_CNOT, PTX_UNIT_I32},
    {"shl.(b16 b32 b64) d, a, b:u32", decode_same, I_SHL, PTX_UNIT_I32},
    {"shr.(b16 b32 b64 u16 u32 u64 s16 s32 s64) d, a, b:u32", decode_same, I_SHR, PTX_UNIT_I32},
    {"div.$int d, a, b", decode_same, I_DIV, PTX_UNIT_IMUL},
    {"rem.$int d, a, b", decode_same, I_REM, PTX_UNIT_IMUL},
    {"min.$int d, a, b", decode_same, I_MIN, PTX_UNIT_SELECT},
    {"max.$int d, a, b", decode_same, I_MAX, PTX_UNIT_SELECT},
    {"min.relu.s32 d, a, b", decode_minmax, I_MIN, PTX_UNIT_SELECT},
    {"max.relu.s32 d, a, b", decode_minmax, I_MAX, PTX_UNIT_SELECT},
    {"min.u16x2 d:b32, a:b32, b:b32", decode_minmax, I_MIN, PTX_UNIT_SELECT},
    {"max.u16x2 d:b32, a:b32, b:b32", decode_minmax, I_MAX, PTX_UNIT_SELECT},
    {"min{.relu}.s16x2 d:b32, a:b32, b:b32", decode_minmax, I_MIN, PTX_UNIT_SELECT},
    {"max{.relu}.s16x2 d:b32, a:b32, b:b32", decode_minmax, I_MAX, PTX_UNIT_SELECT},
    {"neg.(s16 s32 s64) d, a", decode_same, I_NEG, PTX_UNIT_I32},
    {"abs.(s16 s32 s64) d, a", decode_same, I_ABS, PTX_UNIT_I32},
    {"sad.$int d, a, b, c", decode_same, I_SAD, PTX_UNIT_I32},
    {"popc.(b32 b64) d:u32, a", decode_same, I_POPC, PTX_UNIT_I32},
    {"clz.(b32 b64) d:u32, a", decode_same, I_CLZ, PTX_UNIT_I32},
    {"bfind.$wint d:u32, a", decode_same, I_BFIND, PTX_UNIT_I32},
    {"bfind.shiftamt.$wint d:u32, a", decode_same, I_SHAMT, PTX_UNIT_I32},
    {"fns.b32 d, a, b, c", decode_fns, 0, PTX_UNIT_I32},
    {"brev.(b32 b64) d, a", decode_same, I_BREV, PTX_UNIT_I32},
    {"bfe.$wint d, a, b:u32, c:u32", decode_same, I_BFE, PTX_UNIT_I32},
    {"bfi.(b32 b64) d, a, b, c:u32, e:u32", decode_same, I_BFI, PTX_UNIT_I32},
    {"bmsk.(clamp wrap).b32 d, a, b", decode_clamp_wrap, 0, PTX_UNIT_I32},
    {"szext.(clamp wrap).(u32 s32) d, a, b:u32", decode_clamp_wrap, 1, PTX_UNIT_I32},
    {"shf.(l r).(clamp wrap).b32 d, a, b, c:u32", decode_shf, 0, PTX_UNIT_I32},
    {"lop3.b32 d, a, b, c, #i", decode_lop3, 0, PTX_UNIT_I32},
    {"lop3.(and or).b32 d|p, a, b, c, #i, !e", decode_lop3, 0, PTX_UNIT_I32},
    {"prmt.b32{.(f4e b4e rc8 ecl ecr rc16)} d, a, b, c", decode_prmt, 0, PTX_UNIT_I32},
    {"dp4a.(u32 s32).(u32 s32) d, a, b, c", decode_dot, 0, PTX_UNIT_IMUL},
    {"dp2a.(lo hi).(u32 s32).(u32 s32) d, a, b, c", decode_dot, 1, PTX_UNIT_IMUL},
    {0},
};
