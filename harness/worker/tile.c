#include "harness/worker/tile.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 4 << 20, FLAG_BYTES = 1 << 20 };

/* ---- repeated inputs ---- */

static bool sizes(const run_tile *t, size_t *large, size_t *small)
{
    *large = *small = t->element_bytes;
    for (int a = 0; a < t->rank; a++)
        if (t->dim[a] < 1 || t->period[a] < 1 || t->period[a] > t->dim[a] ||
            __builtin_mul_overflow(*large, (size_t)t->dim[a], large) ||
            __builtin_mul_overflow(*small, (size_t)t->period[a], small))
            return false;
    return t->rank >= 1 && t->rank <= RUN_MAX_RANK && t->element_bytes > 0;
}

size_t run_tile_bytes(const run_tile *t)
{
    size_t large, small;
    return sizes(t, &large, &small) ? small : 0;
}

/* What is gathered before it is uploaded. */
typedef struct chunk {
    cu_device *d;
    uint64_t at;
    unsigned char *p;
    size_t n;
} chunk;

static ws_status flush(chunk *c, ws_err *err)
{
    ws_status st = c->n ? cu_upload(c->d, c->at, c->p, c->n, err) : WS_OK;
    c->at += c->n;
    c->n = 0;
    return st;
}

static ws_status add(chunk *c, const unsigned char *p, size_t n, ws_err *err)
{
    while (n) {
        const size_t room = CHUNK_BYTES - c->n, part = n < room ? n : room;
        memcpy(c->p + c->n, p, part);
        c->n += part;
        p += part;
        n -= part;
        if (c->n == CHUNK_BYTES && flush(c, err))
            return err->status;
    }
    return WS_OK;
}

/* The part of the tensor below one index of each axis before `axis`; `from` is its part of the
 * smaller one, `small` and `whole` say for every axis what one index takes there, and whether
 * nothing is repeated from it on. */
static ws_status add_part(chunk *c, const run_tile *t, int axis, const unsigned char *from,
                          const size_t *small, const bool *whole, ws_err *err)
{
    if (axis == t->rank || whole[axis])
        return add(c, from, axis == t->rank ? t->element_bytes : small[axis] * (size_t)t->dim[axis],
                   err);
    const int64_t dim = t->dim[axis], period = t->period[axis];
    const bool runs = axis + 1 == t->rank || whole[axis + 1]; /* a period lies in one piece */
    for (int64_t i = 0; i < dim; i += runs ? period : 1) {
        const int64_t n = dim - i < period ? dim - i : period;
        if (runs ? add(c, from, (size_t)n * small[axis], err)
                 : add_part(c, t, axis + 1, from + (size_t)(i % period) * small[axis], small, whole,
                            err))
            return err->status;
    }
    return WS_OK;
}

ws_status run_tile_upload(cu_device *d, uint64_t ptr, const run_tensor *t, ws_err *err)
{
    size_t large, all, small[RUN_MAX_RANK];
    bool whole[RUN_MAX_RANK];
    if (!sizes(&t->tile, &large, &all) || large != t->bytes)
        return ws_fail(err, WS_EBUG, "tensor '%s' is not what its tile makes", t->name);
    size_t one = t->tile.element_bytes;
    for (int a = t->tile.rank - 1; a >= 0; a--) {
        small[a] = one;
        one *= (size_t)t->tile.period[a];
        whole[a] = t->tile.period[a] == t->tile.dim[a] && (a + 1 == t->tile.rank || whole[a + 1]);
    }
    chunk c = {.d = d, .at = ptr, .p = ws_malloc(CHUNK_BYTES)};
    ws_status st = add_part(&c, &t->tile, 0, t->in, small, whole, err);
    if (!st)
        st = flush(&c, err);
    free(c.p);
    return st;
}

/* ---- written elements ---- */

typedef struct gathered {
    run_tensor *t;
    uint64_t seen, every; /* of the elements seen, those that are kept */
} gathered;

/* Of those kept every other one is dropped. */
static void thin(gathered *g)
{
    run_tensor *t = g->t;
    g->every *= 2;
    for (size_t i = 0; 2 * i < t->n_probes; i++)
        t->probe[i] = t->probe[2 * i];
    t->n_probes = (t->n_probes + 1) / 2;
}

static ws_status keep(gathered *g, cu_device *d, uint64_t ptr, uint64_t element, ws_err *err)
{
    run_tensor *t = g->t;
    if (g->seen++ % g->every)
        return WS_OK;
    if (t->n_probes == t->max_probes)
        thin(g);
    if ((g->seen - 1) % g->every)
        return WS_OK;
    run_probe *p = &t->probe[t->n_probes++];
    *p = (run_probe){.element = element};
    return cu_download(d, p->value, ptr + element * t->probe_bytes, t->probe_bytes, err);
}

ws_status run_probe_download(cu_device *d, uint64_t ptr, run_tensor *t, ws_err *err)
{
    const size_t size = t->probe_bytes;
    gathered g = {.t = t, .every = 1};
    ws_status st = WS_OK;
    if (size < 1 || size > sizeof t->probe->value || FLAG_BYTES % size || t->max_probes < 2)
        return ws_fail(err, WS_EBUG, "elements of %zu bytes cannot be probed", size);
    uint8_t *flag = ws_malloc(FLAG_BYTES);
    t->n_probes = 0;
    for (size_t at = 0; at < t->bytes && !st; at += FLAG_BYTES) {
        const size_t n = t->bytes - at < FLAG_BYTES ? t->bytes - at : FLAG_BYTES;
        cu_engine_written(d, ptr + at, n, flag);
        const uint8_t *first = memchr(flag, 1, n);
        for (size_t b = first ? (size_t)(first - flag) / size * size : n; b + size <= n && !st;
             b += size)
            if (!memchr(flag + b, 0, size))
                st = keep(&g, d, ptr, (at + b) / size, err);
    }
    free(flag);
    t->n_written = g.seen;
    return st;
}
