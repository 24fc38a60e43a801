// spec: basics/transpose  expect: WRONG_RESULT
/* @plan
{ "require": [ "M % 4 == 0 && N % 4 == 0" ],
  "launch": [ { "kernel": "transpose", "grid": ["ceil_div(N, 32)", "ceil_div(M, 32)"], "block": [256],
                "tensormaps": [ { "name": "from", "tensor": "x", "box": [32, 32] } ], "args": ["from", "y", "M", "N"] } ] }
*/
#include <cuda.h>
#include <cuda/ptx>

namespace ptx = cuda::ptx;

extern "C" __global__ void transpose(const __grid_constant__ CUtensorMap from, float* y, int M, int N)
{
    __shared__ alignas(128) float tile[32][32];
    __shared__ uint64_t full;
    const int column = blockIdx.x * 32, row = blockIdx.y * 32;
    if (threadIdx.x == 0) {
        const int32_t at[2] = {column, row + 32}; // a tile too far down: beyond the last one there are zeros
        ptx::mbarrier_init(&full, 1);
        ptx::fence_proxy_async(ptx::space_shared);
        ptx::mbarrier_arrive_expect_tx(ptx::sem_release, ptx::scope_cta, ptx::space_shared, &full, sizeof tile);
        ptx::cp_async_bulk_tensor(ptx::space_cluster, ptx::space_global, tile, &from, at, &full);
    }
    __syncthreads();
    while (!ptx::mbarrier_try_wait_parity(&full, 0))
        ;
    for (int i = threadIdx.x; i < 1024; i += 256)
        if (column + i / 32 < N && row + i % 32 < M)
            y[(size_t)(column + i / 32) * M + row + i % 32] = tile[i % 32][i / 32];
}
