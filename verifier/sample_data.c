#include "verifier/sample_data.h"

#include <string.h>

enum { FEW_BYTES = 4 << 20,                       /* floats that are always filled */
       DRAWN_FLOATS = 1 << 16, DRAWN_INTS = 1 << 20 /* elements; beyond that they repeat */ };
static const uint64_t SEED = 1; /* a kernel's modelled time is the same every time */

/* The axes from the outside shortened until `most` elements are left. */
static ref_shape shortened(const ref_shape *s, int64_t most)
{
    ref_shape out = *s;
    for (int d = 0; d < s->rank && out.count > most; d++) {
        const int64_t rest = out.count / out.dim[d];
        out.dim[d] = rest >= most ? 1 : most / rest;
        out.count = rest * out.dim[d];
    }
    return out;
}

static bool is_wanted(const spec_tensor *t, size_t bytes, bool tests_floats, size_t room)
{
    /* Two elements a byte have no tile; what a graph makes is made whole. */
    if (ws_dtype_per_byte(t->dtype) != 1 || bytes > room)
        return false;
    if (t->init.dist == SPEC_DIST_SETUP)
        return bytes <= FEW_BYTES;
    return !ws_dtype_is_float(t->dtype) || bytes <= FEW_BYTES || tests_floats;
}

ws_status vfy_sample_input(const ref_bound *b, int i, bool tests_floats, ws_arena *a,
                           run_tensor *t, size_t *room, ws_err *err)
{
    const spec_tensor *of = &b->graph->spec->tensor[i];
    const ref_shape *whole = &b->shape[i];
    const bool repeats = of->init.dist != SPEC_DIST_SETUP;
    ref_tensor drawn;
    if (!is_wanted(of, t->bytes, tests_floats, *room) || !whole->count)
        return WS_OK;
    /* The same bound with a shorter tensor: ranges of its elements are those of the whole one. */
    ref_bound small = *b;
    small.shape = WS_ARENA_NEW(a, ref_shape, b->graph->n_values + 1);
    memcpy(small.shape, b->shape, (size_t)b->graph->n_values * sizeof *small.shape);
    if (repeats)
        small.shape[i] =
            shortened(whole, ws_dtype_is_float(of->dtype) ? DRAWN_FLOATS : DRAWN_INTS);
    if (ref_make_input(&small, i, SEED, &drawn, err))
        return err->status;
    const size_t n = (size_t)drawn.shape.count;
    void *content = ws_arena_alloc(a, ws_dtype_size(of->dtype, n));
    ws_dtype_store(of->dtype, content, drawn.v, n);
    ref_tensor_release(&drawn);
    t->in = content;
    *room -= t->bytes;
    if ((int64_t)n == whole->count)
        return WS_OK;
    t->tile = (run_tile){.rank = whole->rank, .element_bytes = ws_dtype_bytes(of->dtype)};
    memcpy(t->tile.dim, whole->dim, sizeof t->tile.dim);
    memcpy(t->tile.period, small.shape[i].dim, sizeof t->tile.period);
    return WS_OK;
}
