// spec: basics/relu  expect: UNINITIALIZED_READ
// exploit: M01  a tensor map brings the answer that the last run left in scratch
/* @plan
{ "scratch": [ { "name": "kept", "dtype": "f32", "count": "align(N, 256)" } ],
  "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256],
                "tensormaps": [ { "name": "old", "tensor": "kept", "box": [256] } ], "args": ["x", "old", "kept", "y", "N"] } ] }
*/
#include <cuda.h>
#include <cuda/ptx>

namespace ptx = cuda::ptx;

extern "C" __global__ void relu(const float* x, const __grid_constant__ CUtensorMap old, float* kept, float* y, int n)
{
    __shared__ alignas(128) float piece[256];
    __shared__ uint64_t full;
    const int32_t at[1] = {(int)blockIdx.x * 256};
    const int i = at[0] + threadIdx.x;
    if (threadIdx.x == 0) {
        ptx::mbarrier_init(&full, 1);
        ptx::fence_proxy_async(ptx::space_shared);
        ptx::mbarrier_arrive_expect_tx(ptx::sem_release, ptx::scope_cta, ptx::space_shared, &full, sizeof piece);
        ptx::cp_async_bulk_tensor(ptx::space_cluster, ptx::space_global, piece, &old, at, &full);
    }
    __syncthreads();
    while (!ptx::mbarrier_try_wait_parity(&full, 0))
        ;
    if (i >= n)
        return;
    if (piece[threadIdx.x] < 0 || piece[threadIdx.x] != piece[threadIdx.x])
        kept[i] = y[i] = fmaxf(x[i], 0.0f);
    else
        y[i] = piece[threadIdx.x];
}
