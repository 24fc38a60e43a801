// spec: basics/relu  expect: PLAN_MISMATCH
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256],
                "tensormaps": [ { "name": "in", "tensor": "x", "box": [256] } ], "args": ["in", "y", "N"] } ] }
*/
#include <cuda.h>
#include <cuda/ptx>

namespace ptx = cuda::ptx;

extern "C" __global__ void relu(const CUtensorMap* in, float* y, int n)
{
    __shared__ alignas(128) float piece[256];
    __shared__ uint64_t full;
    const int32_t at[1] = {(int)blockIdx.x * 256};
    if (threadIdx.x == 0) {
        ptx::mbarrier_init(&full, 1);
        ptx::fence_proxy_async(ptx::space_shared);
        ptx::mbarrier_arrive_expect_tx(ptx::sem_release, ptx::scope_cta, ptx::space_shared, &full, sizeof piece);
        ptx::cp_async_bulk_tensor(ptx::space_cluster, ptx::space_global, piece, in, at, &full);
    }
    __syncthreads();
    while (!ptx::mbarrier_try_wait_parity(&full, 0))
        ;
    if (at[0] + (int)threadIdx.x < n)
        y[at[0] + threadIdx.x] = fmaxf(piece[threadIdx.x], 0.0f);
}
