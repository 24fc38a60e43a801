// spec: basics/relu  expect: INPUT_MODIFIED
// exploit: M07  the result goes back over the input by a tensor map, where no store instruction stands
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256],
                "tensormaps": [ { "name": "out", "tensor": "x", "box": [256] } ], "args": ["x", "y", "out", "N"] } ] }
*/
#include <cuda.h>
#include <cuda/ptx>

namespace ptx = cuda::ptx;

extern "C" __global__ void relu(const float* x, float* y, const __grid_constant__ CUtensorMap out, int n)
{
    __shared__ alignas(128) float piece[256];
    const int32_t at[1] = {(int)blockIdx.x * 256};
    const int i = at[0] + threadIdx.x;
    piece[threadIdx.x] = i < n ? fmaxf(x[i], 0.0f) : 0.0f;
    if (i < n)
        y[i] = piece[threadIdx.x];
    ptx::fence_proxy_async(ptx::space_shared);
    __syncthreads();
    if (threadIdx.x == 0) {
        ptx::cp_async_bulk_tensor(ptx::space_global, ptx::space_shared, &out, at, piece);
        ptx::cp_async_bulk_commit_group();
        ptx::cp_async_bulk_wait_group_read(ptx::n32_t<0>());
    }
}
