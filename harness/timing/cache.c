#include "harness/timing/cache.h"

#include "harness/timing/arch.h"

ptx_cache tim_cache_of(const tim_gpu *gpu)
{
    return (ptx_cache){.sms = (uint32_t)gpu->sms,
                       .l1_bytes = (uint32_t)tim_arch_of(gpu->arch)->unified_bytes,
                       .max_warps = (uint32_t)gpu->max_warps_per_sm,
                       .max_blocks = (uint32_t)gpu->max_blocks_per_sm,
                       .l2_bytes = (uint64_t)gpu->l2_bytes};
}
