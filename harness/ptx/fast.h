/* Inside the loads of whole warps: what holds for most of them, and is looked at in line. */
#ifndef HARNESS_PTX_FAST_H
#define HARNESS_PTX_FAST_H

#include "harness/ptx/lanes.h"

#define INLINE static inline __attribute__((always_inline))

/* The host's place of an offset: pointers are added up as numbers, of which only the sum is one. */
INLINE uint8_t *ptx_plus(const uint8_t *p, u64 offset)
{
    return (uint8_t *)((uintptr_t)p + (uintptr_t)offset);
}

/* A whole warp, a row or a lone place that is told, and no race to be looked for. */
INLINE bool ptx_is_easy(const ptx_warp *w, const ptx_insn *i)
{
    return w->easy_shapes >> i->shape & 1;
}

/* The bytes are in shared memory, and known to be written. */
INLINE bool ptx_passes_shared(const ptx_shape *s, u64 at)
{
    return at - s->known_from < s->known_room;
}

/* A plain load of 32 bits from shared memory, without a guard; and its handler. */
bool ptx_is_word_of_shared(const ptx_insn *i);
void ptx_load_word_of_shared(ptx_warp *w, const ptx_insn *i);

#endif
