/* The loops of handlers. A lane body is written once; the dense loop runs when all 32 lanes execute. */
#ifndef HARNESS_PTX_LANES_H
#define HARNESS_PTX_LANES_H

#include "harness/ptx/engine.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef float f32;
typedef double f64;

static inline const void *ptx_in(const ptx_warp *w, u32 slot)
{
    return __builtin_assume_aligned(w->regs + slot, 64);
}
static inline void *ptx_out(const ptx_warp *w, u32 slot)
{
    return __builtin_assume_aligned(w->regs + slot, 64);
}
#define IN(T, slot)  ((const T *)ptx_in(w, (slot)))
#define OUT(T, slot) ((T *)ptx_out(w, (slot)))

#define EACH_LANE(l) for (int l = 0; l < PTX_LANES; l++)
/* The set bits of `mask`, lowest first. */
#define EACH_SET(l, mask)                                                                          \
    for (u32 left_ = (mask), l = 0; left_ && (l = (u32)__builtin_ctz(left_), 1); left_ &= left_ - 1)

/* d[l] = expr on the executing lanes, vectorised: expr is evaluated on all lanes and must not trap. A
 * destination is either the very slot of a source or apart from it, so lanes are independent. The values pass
 * through memory before they are merged: gcc 12 fails on a 16-bit minimum that it has joined with the mask. */
#define LANES_DENSE(T, d, expr)                                                                    \
    do {                                                                                           \
        T *const o_ = (d);                                                                         \
        if (w->exec == PTX_FULL) {                                                                 \
            _Pragma("GCC ivdep") EACH_LANE(l) o_[l] = (expr);                                      \
        } else {                                                                                   \
            T t_[PTX_LANES] __attribute__((aligned(64)));                                          \
            _Pragma("GCC ivdep") EACH_LANE(l) t_[l] = (expr);                                      \
            const T *p_ = t_;                                                                      \
            const u32 m_ = w->exec;                                                                \
            __asm__ volatile("" : "+r"(p_) : : "memory");                                          \
            _Pragma("GCC ivdep") EACH_LANE(l) o_[l] = m_ >> l & 1 ? p_[l] : o_[l];                 \
        }                                                                                          \
    } while (0)
/* The same one lane at a time, for bodies that are costly or may trap. */
#define LANES_SPARSE(T, d, expr) EACH_SET(l, w->exec) (d)[l] = (T)(expr)

/* The end of a handler that can neither fault nor change which lanes run: the next instruction follows, by a jump,
 * where the basic block goes on and neither has a guard; else ptx_chain_end. Only for whole warps (ptx_warp.whole).
 * Compilers that make calls of it would fill the stack. */
#if defined __OPTIMIZE__ && !defined __SANITIZE_ADDRESS__
#define PTX_CHAIN(w, i)                                                                            \
    do {                                                                                           \
        (w)->insn = (i) + 2;                                                                       \
        (i)->next((w), (i) + 1);                                                                   \
    } while (0)
#else
#define PTX_CHAIN(w, i) ((void)(w), (void)(i))
#endif

/* A handler of d[l] = expr; what follows declares what expr reads. Fewer than 32 lanes are rare, and have a function
 * of their own, so that the frequent one needs no room on the stack. _THEN: all lanes store `expr`, and `then` puts
 * right what is in d_ where it differs from `some`, which fewer lanes store at once. */
#define LANES_HANDLER_THEN(name, D, some, expr, then, ...)                                         \
    static __attribute__((noinline)) void x_##name##_some(ptx_warp *w, const ptx_insn *i)          \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
        LANES_DENSE(D, OUT(D, i->d), (D)(some));                                                   \
    }                                                                                              \
    static void x_##name(ptx_warp *w, const ptx_insn *i)                                           \
    {                                                                                              \
        if (w->whole != PTX_FULL) {                                                                \
            x_##name##_some(w, i);                                                                 \
            return;                                                                                \
        }                                                                                          \
        __VA_ARGS__;                                                                               \
        D *const d_ = OUT(D, i->d);                                                                \
        _Pragma("GCC ivdep") EACH_LANE(l) d_[l] = (D)(expr);                                       \
        then;                                                                                      \
        PTX_CHAIN(w, i);                                                                           \
    }
#define LANES_HANDLER(name, D, expr, ...) LANES_HANDLER_THEN(name, D, expr, expr, (void)0, __VA_ARGS__)

/* The sign of each of 32 numbers, as a bit. */
static inline u32 ptx_sign_bits(const u32 *v)
{
#if defined __AVX512F__ && defined __AVX512DQ__
    return (u32)_mm512_movepi32_mask(_mm512_loadu_si512(v)) | (u32)_mm512_movepi32_mask(_mm512_loadu_si512(v + 16)) << 16;
#elif defined __AVX2__
    u32 bits = 0;
    for (u32 l = 0; l < PTX_LANES; l += 8)
        bits |= (u32)_mm256_movemask_ps(_mm256_loadu_ps((const void *)(v + l))) << l;
    return bits;
#else
    u32 bits = 0;
    EACH_LANE(l) bits |= v[l] >> 31 << l;
    return bits;
#endif
}

/* Writes predicate p on the executing lanes from the bit mask x. */
static inline void ptx_set_pred(ptx_warp *w, u32 p, u32 x)
{
    w->pred[p] = (w->pred[p] & ~w->exec) | (x & w->exec);
}

/* Handlers leave the upper halves of vector registers as they are (-mno-vzeroupper), which slows down what was
 * compiled without AVX: for the end of a launch. */
static inline void ptx_vectors_end(void)
{
#ifdef __AVX__
    __builtin_ia32_vzeroupper();
#endif
}

/* How 32 values lie: all alike, or each `step` above the one before. */
typedef struct ptx_run {
    bool uniform, linear;
} ptx_run;

#ifdef __AVX512F__
static inline ptx_run ptx_run64(const u64 *v, u32 step)
{
    const __m512i first = _mm512_set1_epi64((s64)v[0]), eight = _mm512_set1_epi64((s64)step * 8);
    __m512i expect = _mm512_add_epi64(first, _mm512_mullo_epi64(_mm512_set1_epi64((s64)step),
                                                               _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7)));
    u32 uniform = 0, linear = 0;
    for (int k = 0; k < 4; k++) {
        __m512i x = _mm512_loadu_si512(v + 8 * k);
        uniform |= _mm512_cmpneq_epi64_mask(x, first);
        linear |= _mm512_cmpneq_epi64_mask(x, expect);
        expect = _mm512_add_epi64(expect, eight);
    }
    return (ptx_run){!uniform, !linear};
}
/* The same of 8. */
static inline ptx_run ptx_run8(const u64 *v, u32 step)
{
    const __m512i x = _mm512_loadu_si512(v), first = _mm512_set1_epi64((s64)v[0]);
    const __m512i lane = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    __m512i expect = _mm512_add_epi64(first, _mm512_mullo_epi64(_mm512_set1_epi64((s64)step), lane));
    return (ptx_run){!_mm512_cmpneq_epi64_mask(x, first), !_mm512_cmpneq_epi64_mask(x, expect)};
}
/* Of 16 values of 32 bits. */
static inline ptx_run ptx_run16(const u32 *v, u32 step)
{
    const __m512i x = _mm512_loadu_si512(v), first = _mm512_set1_epi32((s32)v[0]);
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i expect = _mm512_add_epi32(first, _mm512_mullo_epi32(_mm512_set1_epi32((s32)step), lane));
    return (ptx_run){!_mm512_cmpneq_epi32_mask(x, first), !_mm512_cmpneq_epi32_mask(x, expect)};
}
#else
static inline ptx_run ptx_run16(const u32 *v, u32 step)
{
    u32 uniform = 0, linear = 0, expect = v[0];
    for (u32 l = 0; l < 16; l++, expect += step) {
        uniform |= v[l] ^ v[0];
        linear |= v[l] ^ expect;
    }
    return (ptx_run){!uniform, !linear};
}
static inline ptx_run ptx_run_of(const u64 *v, u32 n, u32 step)
{
    u64 uniform = 0, linear = 0, expect = v[0];
    for (u32 l = 0; l < n; l++, expect += step) {
        uniform |= v[l] ^ v[0];
        linear |= v[l] ^ expect;
    }
    return (ptx_run){!uniform, !linear};
}
static inline ptx_run ptx_run64(const u64 *v, u32 step)
{
    return ptx_run_of(v, PTX_LANES, step);
}
static inline ptx_run ptx_run8(const u64 *v, u32 step)
{
    return ptx_run_of(v, 8, step);
}
#endif
static inline ptx_run ptx_run32(const u32 *v, u32 step)
{
    u32 uniform = 0, linear = 0, shift = (u32)__builtin_ctz(step);
    EACH_LANE(l)
    {
        uniform |= v[l] ^ v[0];
        linear |= v[l] ^ (v[0] + ((u32)l << shift));
    }
    return (ptx_run){!uniform, !linear};
}

/* Lanes whose value no earlier neighbour has: not that of the lane before, nor, in the upper half, that of
 * the lane 16 below. Blocks 16 threads wide make warps of two equal rows. */
static inline u32 ptx_distinct(const u32 *v)
{
    u32 out = 1;
#ifdef __AVX512F__
    const __m512i low = _mm512_loadu_si512(v), high = _mm512_loadu_si512(v + 16);
    u32 lower = _mm512_cmpneq_epi32_mask(low, _mm512_alignr_epi32(low, low, 15));
    u32 upper = _mm512_cmpneq_epi32_mask(high, _mm512_alignr_epi32(high, low, 15)) & _mm512_cmpneq_epi32_mask(high, low);
    out |= lower | upper << 16;
#else
    for (u32 l = 1; l < PTX_LANES; l++)
        out |= (u32)(v[l] != v[l - 1] && (l < 16 || v[l] != v[l - 16])) << l;
#endif
    return out;
}

static inline bool ptx_is_linear(const u64 *addr, u32 step)
{
    return ptx_run64(addr, step).linear;
}
static inline bool ptx_is_uniform(const u64 *addr)
{
    return ptx_run64(addr, 0).uniform;
}

#endif
