#include "harness/timing/explain.h"

#include <stddef.h>

const char *tim_source_name(tim_source s)
{
    static const char *const names[] = {
        [TIM_COUNTED] = "counted",     [TIM_PLAN] = "plan",         [TIM_COMPILED] = "compiled code",
        [TIM_DATASHEET] = "datasheet", [TIM_DERIVED] = "derived",   [TIM_ESTIMATE] = "estimate",
        [TIM_FITTED] = "fitted",
    };
    return names[s];
}

const char *const tim_left_out[] = {
    "the order of instructions that the assembler chooses, dual issue and operand caches",
    "L1 as many warps fight for it: of what the cache model still has there, at most a constant share counts",
    "DRAM pages and refresh, and that DRAM moves 64 bytes where one sector is used",
    "partitions of L2, and which SM is near which",
    "clocks below boost: power and heat (a modelled time is one of a cool GPU)",
    "what the host needs between launches, and the first launch after a load",
    NULL};
