// spec: basics/relu  expect: GLOBAL_RACE
// exploit: N13  a block stores to scratch by a tensor map, and its neighbour reads that without any order between them
/* @plan
{ "scratch": [ { "name": "passed", "dtype": "f32", "count": "align(N, 256)" } ],
  "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256],
                "tensormaps": [ { "name": "to", "tensor": "passed", "box": [256] } ], "args": ["x", "to", "passed", "y", "N"] } ] }
*/
#include <cuda.h>
#include <cuda/ptx>

namespace ptx = cuda::ptx;

extern "C" __global__ void relu(const float* x, const __grid_constant__ CUtensorMap to, const float* passed, float* y, int n)
{
    __shared__ alignas(128) float piece[256];
    const int32_t at[1] = {(int)blockIdx.x * 256};
    const int i = at[0] + threadIdx.x, next = (i + 256) % ((n + 255) / 256 * 256);
    piece[threadIdx.x] = i < n ? fmaxf(x[i], 0.0f) : 0.0f;
    ptx::fence_proxy_async(ptx::space_shared);
    __syncthreads();
    if (threadIdx.x == 0) {
        ptx::cp_async_bulk_tensor(ptx::space_global, ptx::space_shared, &to, at, piece);
        ptx::cp_async_bulk_commit_group();
        ptx::cp_async_bulk_wait_group(ptx::n32_t<0>());
    }
    __threadfence();
    __syncthreads();
    for (int spin = 0; spin < 2000; spin++)
        __nanosleep(100);
    if (next < n)
        y[next] = passed[next];
}
