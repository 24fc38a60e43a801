/* Which bytes of the lanes' local memory were written: a byte of state for each, laid out as the
 * memory is, words interleaved by lane. A call's variables begin unwritten. */
#include "harness/ptx/local.h"

#include <stdlib.h>
#include <string.h>

/* State of lane 0's word that holds byte `at`; the other lanes' follow. */
static u8 *state_row(const ptx_warp *w, u32 at)
{
    return w->local_state + (size_t)(at >> 2) * 4 * PTX_LANES;
}

void ptx_local_grow(ptx_warp *w, u32 old_bytes, u32 bytes)
{
    if (!w->worker->grid->options->check_init)
        return;
    w->local_state = ws_realloc(w->local_state, (size_t)bytes * PTX_LANES);
    memset(w->local_state + (size_t)old_bytes * PTX_LANES, 0,
           (size_t)(bytes - old_bytes) * PTX_LANES);
}

void ptx_local_enter(ptx_warp *w, u32 base, u32 bytes, u32 mask)
{
    if (!w->local_state || !bytes)
        return;
    u32 end = base + bytes;
    if (mask == PTX_FULL && !(base & 3)) {
        memset(state_row(w, base), 0, (size_t)((bytes + 3) / 4) * 4 * PTX_LANES);
        return;
    }
    EACH_SET(l, mask)
    for (u32 at = base; at < end; at++)
        state_row(w, at)[l * 4 + (at & 3)] = 0;
}

/* All lanes at one address, whole words: then their state is one piece. */
static bool is_row(const ptx_access *x)
{
    return x->mask == PTX_FULL && x->lo == x->hi && !(x->size & 3);
}

void ptx_local_written(ptx_warp *w, const ptx_access *x)
{
    if (!w->local_state)
        return;
    if (is_row(x)) {
        memset(state_row(w, (u32)x->lo), PTX_INIT, (size_t)x->size * PTX_LANES);
        return;
    }
    EACH_SET(l, x->mask)
    for (u32 b = 0, at = (u32)x->addr[l]; b < x->size; b++, at++)
        state_row(w, at)[l * 4 + (at & 3)] = PTX_INIT;
}

/* Copies of structures take their padding along: only a lane whose bytes are all unwritten counts,
 * or one with a copy of such a byte. Of parameters, which calls fill, copies alone count. */
int ptx_local_unwritten(const ptx_warp *w, const ptx_access *x)
{
    bool is_param = x->insn->space == PTX_SPACE_PARAM;
    if (!w->local_state || (is_param && !w->undef))
        return -1;
    if (is_row(x) && ptx_all_init(state_row(w, (u32)x->lo), (size_t)x->size * PTX_LANES))
        return -1;
    EACH_SET(l, x->mask)
    {
        u8 any = 0;
        for (u32 b = 0, at = (u32)x->addr[l]; b < x->size; b++, at++)
            any |= state_row(w, at)[l * 4 + (at & 3)];
        if (any & PTX_COPIED || !(is_param || any & PTX_INIT))
            return (int)l;
    }
    return -1;
}
