#include "harness/timing/cache.h"

#include "base/mem.h"
#include "harness/timing/arch.h"

enum { KIB = 1024 };

/* L1 and shared memory of a SM together: CUDA C++ Programming Guide, "Technical Specifications per Compute Capability",
 * "Size of unified data cache". */
static const struct {
    int arch;
    uint32_t bytes;
} data_caches[] = {{70, 128 * KIB}, {75, 96 * KIB}, {80, 192 * KIB}, {86, 128 * KIB}, {90, 256 * KIB}};

ptx_cache tim_cache_of(const tim_gpu *gpu)
{
    ptx_cache c = {.sms = (uint32_t)gpu->sms,
                   .l1_bytes = data_caches[0].bytes,
                   .max_warps = (uint32_t)gpu->max_warps_per_sm,
                   .max_blocks = (uint32_t)gpu->max_blocks_per_sm,
                   .l2_bytes = (uint64_t)gpu->l2_bytes};
    for (size_t i = 0; i < WS_COUNT(data_caches); i++)
        if (data_caches[i].arch <= tim_arch_number(gpu->arch))
            c.l1_bytes = data_caches[i].bytes;
    return c;
}
