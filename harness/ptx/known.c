#include "harness/ptx/known.h"

enum { STEP = 64 };

void ptx_known_start(ptx_block *b, uint32_t shared_bytes, bool check_init)
{
    memset(b->written, 0, sizeof b->written);
    if (!check_init)
        b->written[0].n = shared_bytes;
}

static bool holds(const ptx_span *s, uint32_t at, uint32_t n)
{
    return at >= s->from && at - s->from <= s->n && n <= s->n - (at - s->from);
}

static bool touches(const ptx_span *s, uint32_t at, uint32_t n)
{
    return s->n && at <= s->from + s->n && s->from <= at + n;
}

/* As far up again as it is long, so that looking costs as much as what was known already. */
static void grow(const ptx_warp *w, ptx_span *s)
{
    uint32_t end = s->from + s->n, left = s->n;
    while (left >= STEP && w->shared_bytes - end >= STEP && ptx_all_init(w->shared_state + end, STEP)) {
        end += STEP;
        left -= STEP;
    }
    s->n = end - s->from;
}

const ptx_span *ptx_known_find(ptx_warp *w, uint32_t at, uint32_t n)
{
    ptx_span *known = w->block->written, *found = &known[known[0].n < known[1].n ? 0 : 1];
    for (int k = 0; k < PTX_KNOWN; k++)
        if (holds(&known[k], at, n))
            return &known[k];
    if (!ptx_all_init(w->shared_state + at, n))
        return NULL;
    uint32_t from = at, end = at + n;
    for (int k = 0; k < PTX_KNOWN; k++)
        if (touches(&known[k], at, n)) {
            found = &known[k];
            from = from < found->from ? from : found->from;
            end = end > found->from + found->n ? end : found->from + found->n;
            found->n = 0;
        }
    *found = (ptx_span){from, end - from};
    grow(w, found);
    return found;
}

void ptx_known_forget(ptx_warp *w, ptx_block *b, uint32_t at, uint32_t n)
{
    if (!(w->checks & PTX_CHECK_INIT))
        return;
    for (uint32_t left = w->shapes; left; left &= left - 1) /* which remember some */
        w->shape[__builtin_ctz(left)].known_room = 0;
    for (int k = 0; k < PTX_KNOWN; k++) {
        ptx_span *s = &b->written[k];
        uint32_t end = s->from + s->n;
        if (at >= end || at + n <= s->from)
            continue;
        uint32_t below = at > s->from ? at - s->from : 0, above = end > at + n ? end - (at + n) : 0;
        *s = below >= above ? (ptx_span){s->from, below} : (ptx_span){at + n, above};
    }
}
