/* How the values of an address register lie over the lanes: told once, and then good for every
 * access of the basic block through that register, whatever displacement it adds. */
#ifndef HARNESS_PTX_SHAPE_H
#define HARNESS_PTX_SHAPE_H

#include "harness/ptx/lanes.h"

/* A longer step is no order: multiples of it could wrap around 32 bits and be in bounds again. */
enum { PTX_SHAPE_MAX_STEP = 1 << 24 };

/* Completes a shape whose lanes are known to be `step` apart within every 8: from `head` to
 * `tail`. */
static inline void ptx_shape_join(ptx_shape *s, const u64 head[4], const u64 tail[4], s64 step,
                                  u32 size)
{
    u64 lo = UINT64_MAX, hi = 0, low = (u64)step;
    u64 d1 = head[1] - head[0], d2 = head[2] - head[1], d3 = head[3] - head[2],
        next = (u64)step * 8;
    for (int k = 0; k < 4; k++) {
        u64 a = head[k] < tail[k] ? head[k] : tail[k], b = head[k] < tail[k] ? tail[k] : head[k];
        lo = a < lo ? a : lo;
        hi = b > hi ? b : hi;
        low |= head[k];
    }
    s->lo = lo;
    s->hi = hi;
    s->step = (s32)step;
    s->group = d1 != next || d3 != next ? 8 : d2 != next ? 16 : 32;
    s->low = (u8)low;
    s->waves = 0;
    bool dense = step == 0 || step == (s64)size;
    bool wraps = step > 0 && tail[3] < head[0];
    s->kind = !dense || wraps                  ? PTX_SHAPE_STEPS
              : s->group != 32 || low & (size - 1) ? PTX_SHAPE_ROWS
              : step                             ? PTX_SHAPE_ROW
                                                 : PTX_SHAPE_UNIFORM;
}

static inline void ptx_shape_scatter(ptx_shape *s, u64 lo, u64 hi, u64 low)
{
    s->lo = lo;
    s->hi = hi;
    s->low = (u8)low;
    s->group = s->waves = 0;
    s->step = 0;
    s->kind = PTX_SHAPE_SCATTER;
}

/* All lanes `step` apart. */
static inline void ptx_shape_line(ptx_shape *s, u64 first, u64 last, s64 step, u32 size)
{
    const bool aligned = !((first | (u64)step) & (size - 1));
    s->lo = first < last ? first : last;
    s->hi = first < last ? last : first;
    s->step = (s32)step;
    s->group = PTX_LANES;
    s->low = (u8)(first | (u64)step);
    s->waves = 0;
    s->kind = step == 0           ? (aligned ? PTX_SHAPE_UNIFORM : PTX_SHAPE_ROWS)
              : step == (s64)size ? (first > last ? PTX_SHAPE_STEPS
                                     : aligned    ? PTX_SHAPE_ROW
                                                  : PTX_SHAPE_ROWS)
                                  : PTX_SHAPE_STEPS;
}

static inline bool ptx_shape_step_fits(s64 step)
{
    return step < PTX_SHAPE_MAX_STEP && step > -PTX_SHAPE_MAX_STEP;
}

#if defined __AVX512F__ && defined __AVX512DQ__
static inline void ptx_shape_of64(ptx_shape *s, const u64 *v, u32 size)
{
    const __m512i lane = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    const s64 step = (s64)(v[1] - v[0]);
    const __m512i ramp = _mm512_mul_epi32(_mm512_set1_epi64(step), lane);
    const __m512i x0 = _mm512_load_si512(v), x1 = _mm512_load_si512(v + 8),
                  x2 = _mm512_load_si512(v + 16), x3 = _mm512_load_si512(v + 24);
    const __m512i l0 = _mm512_add_epi64(_mm512_set1_epi64((s64)v[0]), ramp),
                  by = _mm512_set1_epi64((s64)((u64)step * 8));
    const __m512i l1 = _mm512_add_epi64(l0, by), l2 = _mm512_add_epi64(l1, by),
                  l3 = _mm512_add_epi64(l2, by);
    if (!(_mm512_cmpneq_epi64_mask(x0, l0) | _mm512_cmpneq_epi64_mask(x1, l1) |
          _mm512_cmpneq_epi64_mask(x2, l2) | _mm512_cmpneq_epi64_mask(x3, l3)) &&
        ptx_shape_step_fits(step)) {
        ptx_shape_line(s, v[0], v[31], step, size);
        return;
    }
    u32 bad = _mm512_cmpneq_epi64_mask(_mm512_sub_epi64(x0, ramp), _mm512_set1_epi64((s64)v[0])) |
              _mm512_cmpneq_epi64_mask(_mm512_sub_epi64(x1, ramp), _mm512_set1_epi64((s64)v[8])) |
              _mm512_cmpneq_epi64_mask(_mm512_sub_epi64(x2, ramp), _mm512_set1_epi64((s64)v[16])) |
              _mm512_cmpneq_epi64_mask(_mm512_sub_epi64(x3, ramp), _mm512_set1_epi64((s64)v[24]));
    if (!bad && ptx_shape_step_fits(step))
        ptx_shape_join(s, (u64[]){v[0], v[8], v[16], v[24]}, (u64[]){v[7], v[15], v[23], v[31]},
                       step, size);
    else
        ptx_shape_scatter(s,
                          _mm512_reduce_min_epu64(
                              _mm512_min_epu64(_mm512_min_epu64(x0, x1), _mm512_min_epu64(x2, x3))),
                          _mm512_reduce_max_epu64(
                              _mm512_max_epu64(_mm512_max_epu64(x0, x1), _mm512_max_epu64(x2, x3))),
                          (u64)_mm512_reduce_or_epi64(
                              _mm512_or_si512(_mm512_or_si512(x0, x1), _mm512_or_si512(x2, x3))));
}

static inline void ptx_shape_of32(ptx_shape *s, const u32 *v, u32 size)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7);
    const s32 step = (s32)(v[1] - v[0]);
    const __m512i ramp = _mm512_mullo_epi32(_mm512_set1_epi32(step), lane);
    const __m512i x0 = _mm512_load_si512(v), x1 = _mm512_load_si512(v + 16);
    const __m512i h0 = _mm512_mask_set1_epi32(_mm512_set1_epi32((s32)v[0]), 0xff00, (s32)v[8]);
    const __m512i h1 = _mm512_mask_set1_epi32(_mm512_set1_epi32((s32)v[16]), 0xff00, (s32)v[24]);
    u32 bad = _mm512_cmpneq_epi32_mask(_mm512_sub_epi32(x0, ramp), h0) |
              _mm512_cmpneq_epi32_mask(_mm512_sub_epi32(x1, ramp), h1);
    if (!bad && ptx_shape_step_fits(step))
        ptx_shape_join(s, (u64[]){v[0], v[8], v[16], v[24]}, (u64[]){v[7], v[15], v[23], v[31]},
                       step, size);
    else
        ptx_shape_scatter(s, _mm512_reduce_min_epu32(_mm512_min_epu32(x0, x1)),
                          _mm512_reduce_max_epu32(_mm512_max_epu32(x0, x1)),
                          (u32)_mm512_reduce_or_epi32(_mm512_or_si512(x0, x1)));
}
#else
/* Loops that gcc vectorises for AVX2; no product of 64 bits in them. */
#define PTX_SHAPE_OF(T, name)                                                                      \
    static inline void name(ptx_shape *s, const T *v, u32 size)                                    \
    {                                                                                              \
        const T step = (T)(v[1] - v[0]);                                                           \
        T ramp[8] __attribute__((aligned(64))), bad = 0, lo = v[0], hi = v[0], low = 0;            \
        for (u32 k = 0; k < 8; k++)                                                                \
            ramp[k] = (T)(step * k);                                                               \
        for (u32 g = 0; g < PTX_LANES; g += 8)                                                     \
            for (u32 k = 0; k < 8; k++)                                                            \
                bad |= (T)(v[g + k] - ramp[k]) ^ v[g];                                             \
        s64 wide = sizeof(T) == 8 ? (s64)step : (s64)(s32)step;                                    \
        if (!bad && ptx_shape_step_fits(wide)) {                                                   \
            ptx_shape_join(s, (u64[]){v[0], v[8], v[16], v[24]},                                   \
                           (u64[]){v[7], v[15], v[23], v[31]}, wide, size);                        \
            return;                                                                                \
        }                                                                                          \
        EACH_LANE(l)                                                                               \
        {                                                                                          \
            lo = v[l] < lo ? v[l] : lo;                                                            \
            hi = v[l] > hi ? v[l] : hi;                                                            \
            low |= v[l];                                                                           \
        }                                                                                          \
        ptx_shape_scatter(s, lo, hi, low);                                                         \
    }
PTX_SHAPE_OF(u64, ptx_shape_of64)
PTX_SHAPE_OF(u32, ptx_shape_of32)
#endif

#endif
