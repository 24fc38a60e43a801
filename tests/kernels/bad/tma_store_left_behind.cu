// spec: basics/relu  expect: SHARED_RACE
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256],
                "tensormaps": [ { "name": "out", "tensor": "y", "box": [256] } ], "args": ["x", "out", "N"] } ] }
*/
#include <cuda.h>
#include <cuda/ptx>

namespace ptx = cuda::ptx;

extern "C" __global__ void relu(const float* __restrict__ x, const __grid_constant__ CUtensorMap out, int n)
{
    __shared__ alignas(128) float piece[256];
    const int first = (int)blockIdx.x * 256, i = first + (int)threadIdx.x;
    piece[threadIdx.x] = i < n ? fmaxf(x[i], 0.0f) : 0.0f;
    ptx::fence_proxy_async(ptx::space_shared);
    __syncthreads();
    if (threadIdx.x == 0) {
        const int32_t at[1] = {first};
        ptx::cp_async_bulk_tensor(ptx::space_global, ptx::space_shared, &out, at, piece); // HERE
        ptx::cp_async_bulk_commit_group(); // and nobody waits until shared memory has been read
    }
}
