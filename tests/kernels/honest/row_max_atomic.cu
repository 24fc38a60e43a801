// spec: basics/row_max  expect: PASS
/* @plan
{ "launch": [ { "kernel": "row_max", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
#include <cfloat>
#include <cuda_runtime.h>
#include <limits>

// Floats compare as their bits do, once negative ones are turned around.
__device__ __forceinline__ int ordered(float v)
{
    int bits = __float_as_int(v);
    return bits >= 0 ? bits : bits ^ 0x7fffffff;
}
__device__ __forceinline__ float unordered(int bits)
{
    return __int_as_float(bits >= 0 ? bits : bits ^ 0x7fffffff);
}

extern "C" __global__ void row_max(const float* x, float* y, int n)
{
    __shared__ int best;
    if (threadIdx.x == 0)
        best = ordered(-FLT_MAX);
    __syncthreads();
    float m = std::numeric_limits<float>::lowest();
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        m = fmaxf(m, x[(size_t)blockIdx.x * n + i]);
    atomicMax(&best, ordered(m));
    __syncthreads();
    if (threadIdx.x == 0)
        y[blockIdx.x] = unordered(best);
}
