// spec: basics/gelu  expect: PASS
/* @plan
{ "launch": [ { "kernel": "gelu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
#include <cuda_runtime.h>
#include <stdio.h>

__constant__ float factors[4] = {0.5f, 1.0f, 0.70710678118654752440f, 0.0f};
static __device__ const int order[3] = {2, 1, 0};

__device__ __noinline__ float normal_cdf(float v)
{
    return factors[order[2]] * (factors[order[1]] + erff(v * factors[order[0]]));
}

extern "C" __global__ void gelu(const float* x, float* y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i == 0 && n == 257)
        printf("n is %d, first value %f\n", n, x[0]);
    if (i < n)
        y[i] = x[i] * normal_cdf(x[i]);
}
