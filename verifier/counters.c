#include "verifier/counters.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define COUNTER(field)                                                                             \
    {                                                                                              \
#field, offsetof(ptx_counters, field)                                                      \
    }
const vfy_counter vfy_counters[] = {
    COUNTER(launches),
    COUNTER(blocks),
    COUNTER(warps),
    COUNTER(threads),
    COUNTER(warp_insns),
    COUNTER(thread_insns),
    COUNTER(f32),
    COUNTER(f64),
    COUNTER(f16),
    COUNTER(i32),
    COUNTER(imul),
    COUNTER(sfu),
    COUNTER(cvt),
    COUNTER(cmp_sel),
    COUNTER(branch),
    COUNTER(divergent_branch),
    COUNTER(tensor),
    COUNTER(mem_insns),
    COUNTER(barrier_waits),
    COUNTER(shuffle_vote),
    COUNTER(f32_fma_lanes),
    COUNTER(f64_fma_lanes),
    COUNTER(f16_fma_lanes),
    COUNTER(tensor_flops),
    COUNTER(global_ld_requests),
    COUNTER(global_st_requests),
    COUNTER(global_ld_sectors),
    COUNTER(global_st_sectors),
    COUNTER(global_ld_bytes),
    COUNTER(global_st_bytes),
    COUNTER(global_atomic_requests),
    COUNTER(global_atomic_lanes),
    COUNTER(unique_ld_sectors),
    COUNTER(unique_st_sectors),
    COUNTER(shared_requests),
    COUNTER(shared_wavefronts),
    COUNTER(shared_atomic_lanes),
    COUNTER(local_requests),
    COUNTER(max_block_warp_insns),
    COUNTER(max_warp_insns),
    COUNTER(min_block_warp_insns),
    COUNTER(blocks_run),
    COUNTER(grid_arrivals),
};
#undef COUNTER
const int vfy_n_counters = (int)WS_COUNT(vfy_counters);
/* A counter without a row above would be lost. */
_Static_assert(WS_COUNT(vfy_counters) == sizeof(ptx_counters) / sizeof(uint64_t),
               "one row per counter");

void vfy_counters_print(const ptx_counters *c, bool zeros, ws_buf *out)
{
    const char *before = "{";
    for (int i = 0; i < vfy_n_counters; i++) {
        uint64_t value;
        memcpy(&value, (const char *)c + vfy_counters[i].offset, sizeof value);
        if (!value && !zeros)
            continue;
        ws_buf_printf(out, "%s\"%s\":%" PRIu64, before, vfy_counters[i].name, value);
        before = ",";
    }
    ws_buf_adds(out, *before == '{' ? "{}" : "}");
}

void vfy_counters_read(const cJSON *o, ptx_counters *out)
{
    *out = (ptx_counters){0};
    for (int i = 0; i < vfy_n_counters; i++) {
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, vfy_counters[i].name);
        uint64_t value = cJSON_IsNumber(v) && v->valuedouble >= 0 && v->valuedouble < 0x1p63
                             ? (uint64_t)v->valuedouble
                             : 0;
        memcpy((char *)out + vfy_counters[i].offset, &value, sizeof value);
    }
}
