// spec: basics/relu  expect: PASS
/* @plan
{ "launch": [ { "kernel": "relu_kernel", "grid": ["min(ceil_div(N, 256), 65535)"], "block": [256],
                "args": ["x", "y", "N"] } ] }
*/
#include <cuda_runtime.h>
#include <stdint.h>

__device__ inline float relu(float v) { return v > 0.f ? v : 0.f; }

extern "C" __global__ void relu_kernel(const float* __restrict__ x, float* __restrict__ y, size_t n)
{
    const size_t stride = (size_t)gridDim.x * blockDim.x;
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += stride)
        y[i] = relu(__ldg(&x[i]));
}
