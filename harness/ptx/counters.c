#include "harness/ptx/ptx.h"

_Static_assert(sizeof(ptx_counters) % sizeof(uint64_t) == 0, "counters are 64-bit words");

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t least_set(uint64_t a, uint64_t b)
{
    return !a || (b && b < a) ? b : a;
}

void ptx_counters_add(ptx_counters *sum, const ptx_counters *c, double scale)
{
    const ptx_counters before = *sum;
    const uint64_t *from = (const uint64_t *)(const void *)c;
    uint64_t *to = (uint64_t *)(void *)sum;
    for (size_t i = 0; i < sizeof *c / sizeof *to; i++)
        to[i] += scale > 1 ? (uint64_t)((double)from[i] * scale + 0.5) : from[i];
    sum->max_block_warp_insns = larger(before.max_block_warp_insns, c->max_block_warp_insns);
    sum->max_warp_insns = larger(before.max_warp_insns, c->max_warp_insns);
    sum->min_block_warp_insns = least_set(before.min_block_warp_insns, c->min_block_warp_insns);
    sum->blocks_run = before.blocks_run + c->blocks_run;
}
