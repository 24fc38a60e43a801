// spec: basics/relu  expect: SHARED_RACE
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256],
                "tensormaps": [ { "name": "in", "tensor": "x", "box": [256] } ], "args": ["in", "y", "N"] } ] }
*/
#include <cuda.h>
#include <cuda/ptx>

namespace ptx = cuda::ptx;

extern "C" __global__ void relu(const __grid_constant__ CUtensorMap in, float* y, int n)
{
    __shared__ alignas(128) float piece[2][256];
    __shared__ uint64_t full[2];
    const int first = (int)blockIdx.x * 256;
    if (threadIdx.x == 0) {
        ptx::mbarrier_init(&full[0], 1);
        ptx::mbarrier_init(&full[1], 1);
        ptx::fence_proxy_async(ptx::space_shared);
        for (int s = 0; s < 2; s++) { // the second piece is brought ahead, and there is no second step
            const int32_t at[1] = {first + 256 * s};
            ptx::mbarrier_arrive_expect_tx(ptx::sem_release, ptx::scope_cta, ptx::space_shared, &full[s], sizeof piece[0]);
            ptx::cp_async_bulk_tensor(ptx::space_cluster, ptx::space_global, piece[s], &in, at, &full[s]); // HERE
        }
    }
    __syncthreads();
    while (!ptx::mbarrier_try_wait_parity(&full[0], 0))
        ;
    if (first + (int)threadIdx.x < n)
        y[first + threadIdx.x] = fmaxf(piece[0][threadIdx.x], 0.0f);
}
