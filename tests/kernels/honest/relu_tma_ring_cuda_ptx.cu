// spec: basics/relu  expect: PASS
// Maps of one dimension have no strides, so that any length will do: pieces go round a ring of three stages.
/* @plan
{ "tune":   { "PIECES": [8, 4] },
  "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256 * PIECES)"], "block": [128],
                "tensormaps": [ { "name": "in", "tensor": "x", "box": [256] }, { "name": "out", "tensor": "y", "box": [256] } ],
                "args": ["in", "out", "N"] } ] }
*/
#include <cuda.h>
#include <cuda/ptx>

namespace ptx = cuda::ptx;
constexpr int PIECE = 256, STAGES = 3;

extern "C" __global__ void __launch_bounds__(128) relu(const __grid_constant__ CUtensorMap in,
                                                       const __grid_constant__ CUtensorMap out, int n)
{
    __shared__ alignas(128) float ring[STAGES][PIECE];
    __shared__ uint64_t full[STAGES];
    const int first = blockIdx.x * PIECES, left = (n + PIECE - 1) / PIECE - first;
    const int pieces = left < PIECES ? left : PIECES;
    auto bring = [&](int p) {
        const int32_t at[1] = {(first + p) * PIECE};
        uint64_t* const bar = &full[p % STAGES];
        ptx::mbarrier_arrive_expect_tx(ptx::sem_release, ptx::scope_cta, ptx::space_shared, bar, PIECE * sizeof(float));
        ptx::cp_async_bulk_tensor(ptx::space_cluster, ptx::space_global, ring[p % STAGES], &in, at, bar);
    };
    if (threadIdx.x == 0) {
        for (int s = 0; s < STAGES; s++)
            ptx::mbarrier_init(&full[s], 1);
        ptx::fence_mbarrier_init(ptx::sem_release, ptx::scope_cluster);
        ptx::fence_proxy_async(ptx::space_shared);
        for (int p = 0; p < STAGES - 1 && p < pieces; p++)
            bring(p);
    }
    __syncthreads();
    for (int p = 0; p < pieces; p++) {
        float* const piece = ring[p % STAGES];
        while (!ptx::mbarrier_try_wait_parity(&full[p % STAGES], p / STAGES % 2))
            ;
        for (int i = threadIdx.x; i < PIECE; i += 128)
            piece[i] = fmaxf(piece[i], 0.0f);
        ptx::fence_proxy_async(ptx::space_shared);
        __syncthreads();
        if (threadIdx.x == 0) {
            const int32_t at[1] = {(first + p) * PIECE};
            ptx::cp_async_bulk_tensor(ptx::space_global, ptx::space_shared, &out, at, piece);
            ptx::cp_async_bulk_commit_group();
            // The stage before this one was stored a piece ago: it is free once that store has read it.
            ptx::cp_async_bulk_wait_group_read(ptx::n32_t<1>());
            if (p + STAGES - 1 < pieces)
                bring(p + STAGES - 1);
        }
    }
    if (threadIdx.x == 0)
        ptx::cp_async_bulk_wait_group_read(ptx::n32_t<0>());
}
