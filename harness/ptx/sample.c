/* Which blocks stand for a grid that is run only for its counters, and how many of them are enough.
 * One worker runs them, so that the choice does not depend on the host. */
#include "harness/ptx/sample.h"

#include <stdlib.h>
#include <string.h>

enum {
    LEAST = 3,           /* units, unless they are too long: the middle, the first, the last */
    LEAST_UNEVEN = 5,    /* and a quarter and three quarters */
    MORE_UNEVEN = 4,     /* times as many instructions when blocks are unlike each other */
    TWICE_UNEVEN = 2,    /* times as many blocks then */
    COOPERATIVE = 4,     /* blocks of a cooperative launch: all start, whatever they cost */
    EVEN_PERCENT = 10,   /* what blocks differ by that do the same work */
    JITTER = 32          /* places are moved by up to this fraction of the grid */
};
static const uint32_t BARRIER_PHASE = 0x80000000u; /* of cooperative_groups' grid-wide barrier */

struct ptx_sample {
    uint32_t n, most;
    uint32_t unit[]; /* those taken so far */
};

static uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 31) * 0x9e3779b97f4a7c15ull;
    x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull;
    return x ^ x >> 32;
}

void ptx_sample_begin(ptx_grid *g)
{
    const ptx_options *o = g->options;
    bool waits = g->program->has_fence && !g->args->cooperative;
    uint32_t most = g->args->cooperative ? COOPERATIVE : TWICE_UNEVEN * o->sample_blocks;
    if (!o->sample_blocks || g->n_blocks <= o->sample_blocks || waits || g->program->takes_units)
        return;
    g->sample = ws_malloc(sizeof *g->sample + (size_t)most * sizeof *g->sample->unit);
    *g->sample = (struct ptx_sample){.most = most};
}

void ptx_sample_end(ptx_grid *g)
{
    free(g->sample);
    g->sample = NULL;
}

bool ptx_sample_enough(const ptx_grid *g)
{
    const struct ptx_sample *s = g->sample;
    const ptx_options *o = g->options;
    const ptx_counters *c = &g->worker[0].counters;
    uint64_t insns = atomic_load(&g->insns), blocks = (uint64_t)s->n * g->cluster_blocks;
    bool uneven = c->max_block_warp_insns * 100 > c->min_block_warp_insns * (100 + EVEN_PERCENT);
    if (!s->n || s->n == s->most)
        return s->n != 0;
    if (g->args->cooperative)
        return false;
    if (o->max_warp_insns && insns + insns / s->n > o->max_warp_insns)
        return true;
    if (blocks >= (uint64_t)o->sample_blocks * (uneven ? TWICE_UNEVEN : 1))
        return true;
    return o->sample_insns && insns >= o->sample_insns * (uneven ? MORE_UNEVEN : 1) &&
           s->n >= (uneven ? LEAST_UNEVEN : LEAST);
}

/* The digits of n after the point, in reverse: every few of them are spread evenly over 0 to 1. */
static double radical_inverse(uint32_t n, uint32_t base)
{
    double digit = 1.0 / base, x = 0;
    for (; n; n /= base, digit /= base)
        x += digit * (n % base);
    return x;
}

/* The n-th place along one axis of the grid. The jitter keeps a period of the grid, such as tiles that
 * are the inner part of a linear index, from being met at one phase. */
static uint32_t place(const ptx_grid *g, uint32_t n, int axis, uint32_t extent)
{
    static const uint32_t base[3] = {2, 3, 5};
    if (n == 1 || n == 2)
        return n == 1 ? 0 : extent - 1;
    double at = n ? radical_inverse(n - 1, base[axis]) : 0.5;
    uint32_t random = (uint32_t)mixed(g->options->seed * 1024 + n * 4 + (uint32_t)axis + 1);
    uint32_t jitter = extent / JITTER;
    return (uint32_t)(at * (extent - 1 - jitter) + 0.5) + (jitter ? random % (jitter + 1) : 0);
}

uint32_t ptx_sample_next(ptx_grid *g)
{
    struct ptx_sample *s = g->sample;
    uint32_t unit = 0, many = 1;
    for (int d = 0; d < 3; d++) {
        uint32_t extent = g->grid[d] / g->cluster[d];
        unit += place(g, s->n, d, extent) * many;
        many *= extent;
    }
    for (uint32_t k = 0; k < s->n; k++) {
        if (s->unit[k] != unit)
            continue;
        unit = (unit + 1) % g->n_units;
        k = UINT32_MAX; /* once more from the first */
    }
    s->unit[s->n++] = unit;
    return unit;
}

/* Bits below the phase count arrivals, so a barrier at which nobody has arrived stays closed: what
 * its waiters wait for is something else. */
bool ptx_sample_opens_barrier(ptx_worker *k)
{
    ptx_grid *g = k->grid;
    uint32_t word[2];
    if (!g->sample || !g->workspace || g->sample->n < g->sample->most ||
        k->idle_turns <= 2 * (k->n_resident + 1) ||
        !ptx_memory_read(g->mem, word, g->workspace, sizeof word) || !(word[1] & ~BARRIER_PHASE))
        return false;
    word[1] = (word[1] & BARRIER_PHASE) ^ BARRIER_PHASE;
    k->idle_turns = 0;
    return ptx_memory_write(g->mem, g->workspace, word, sizeof word);
}
