/* Barrier objects in shared memory, and the bytes that asynchronous copies bring to them. */
#ifndef HARNESS_PTX_X_MBARRIER_H
#define HARNESS_PTX_X_MBARRIER_H

#include "harness/ptx/reduce.h"

typedef struct ptx_delivery { /* bytes on their way to shared memory */
    struct ptx_delivery *next;
    u32 to, span; /* where data goes, and how long it is */
    u32 bytes;    /* that the barrier counts */
    bool reduces; /* with what is there; else they take its place */
    ptx_red red;
    ptx_type element;
    const ptx_insn *insn; /* of a copy by the warp and lane of the block itself; NULL: another's */
    u8 warp, lane;
    u8 *live;     /* behind data, per 4 bytes: whether they go */
    u8 data[];
} ptx_delivery;

typedef struct ptx_mbarrier {
    struct ptx_mbarrier *next;
    ptx_block *block; /* in whose shared memory it is */
    u32 addr;
    u32 expected, pending; /* arrivals of the next phases, and missing in this one */
    s64 tx;                /* bytes that are still to come */
    u32 phase;
    ptx_past arriving, done; /* what happened before */
    ptx_delivery *first, **last;
} ptx_mbarrier;

/* The barrier at an offset in a block's shared memory, checked as an access of the lane; NULL: a
 * fault was reported. */
ptx_mbarrier *ptx_mbarrier_in(ptx_warp *w, const ptx_insn *i, u32 lane, ptx_block *b, u64 addr,
                              bool changes);
/* The lane's address as an offset in the block's own shared memory; false: a fault was reported. */
bool ptx_shared_offset(ptx_warp *w, const ptx_insn *i, u32 lane, u64 *addr);
/* Data of `span` bytes for shared memory from `to` on, none of which go yet; `bytes` are
 * counted. */
ptx_delivery *ptx_delivery_new(u32 to, u32 span, u32 bytes);
/* Another of the same. */
ptx_delivery *ptx_delivery_clone(const ptx_delivery *d);
/* These bytes of data, multiples of 4, go. */
void ptx_delivery_include(ptx_delivery *d, u32 at, u32 bytes);
/* Where lane's copy goes: the block whose shared memory the address `to` is in, as `at` says, and
 * the mbarrier of that block at `bar`, whose instruction is `bar_at`. `to` becomes the offset.
 * NULL: a fault was reported. */
ptx_mbarrier *ptx_mbarrier_beside(ptx_warp *w, const ptx_insn *i, u32 lane, const ptx_insn *at,
                                  u64 *to, const ptx_insn *bar_at, u64 bar);
/* Takes over `d`, which arrives when somebody waits; until then its target counts as
 * unwritten. What the warp did so far happens before. */
void ptx_mbarrier_deliver(ptx_warp *w, ptx_mbarrier *m, ptx_delivery *d);
/* Whose copy it is, where it goes to the own block. */
static inline void ptx_delivery_sign(ptx_delivery *d, const ptx_warp *w, const ptx_insn *i, u32 lane)
{
    d->insn = i;
    d->warp = (u8)w->id;
    d->lane = (u8)lane;
}
/* The block's threads have exited. A copy that nobody waited for writes to memory that is another
 * block's by then; false: it was reported. */
bool ptx_mbarriers_end(ptx_block *b);

#endif
