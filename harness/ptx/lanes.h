/* The loops of handlers. A lane body is written once; the dense loop runs when all 32 lanes execute. */
#ifndef HARNESS_PTX_LANES_H
#define HARNESS_PTX_LANES_H

#include "harness/ptx/engine.h"

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
    return __builtin_assume_aligned(w->base[slot & 1] + (slot & ~1u), 64);
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

/* Writes predicate p on the executing lanes from the bit mask x. */
static inline void ptx_set_pred(ptx_warp *w, u32 p, u32 x)
{
    w->pred[p] = (w->pred[p] & ~w->exec) | (x & w->exec);
}

static inline bool ptx_is_linear(const u64 *addr, u64 step)
{
    u64 diff = 0;
    EACH_LANE(l) diff |= addr[l] ^ (addr[0] + step * (u64)l);
    return !diff;
}
static inline bool ptx_is_uniform(const u64 *addr)
{
    u64 diff = 0;
    EACH_LANE(l) diff |= addr[l] ^ addr[0];
    return !diff;
}

#endif
