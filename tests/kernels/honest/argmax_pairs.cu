// spec: basics/argmax  expect: PASS
/* @plan
{ "launch": [ { "kernel": "argmax", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
#include <cuda_runtime.h>

struct Best {
    float value;
    int index;
};

__device__ Best better(const Best& a, const Best& b)
{
    if (b.value > a.value || (b.value == a.value && b.index < a.index))
        return b;
    return a;
}

__device__ Best warp_best(Best v)
{
#pragma unroll
    for (int d = 16; d > 0; d >>= 1) {
        Best w;
        w.value = __shfl_xor_sync(0xffffffffu, v.value, d);
        w.index = __shfl_xor_sync(0xffffffffu, v.index, d);
        v = better(v, w);
    }
    return v;
}

extern "C" __global__ __launch_bounds__(256) void argmax(const float* __restrict__ x, long long* __restrict__ y, int n)
{
    __shared__ Best part[8];
    Best b = {-INFINITY, 0x7fffffff};
    for (int i = threadIdx.x; i < n; i += 256)
        b = better(b, Best{x[(long long)blockIdx.x * n + i], i});
    b = warp_best(b);
    if ((threadIdx.x & 31) == 0)
        part[threadIdx.x >> 5] = b;
    __syncthreads();
    if (threadIdx.x < 32) {
        b = threadIdx.x < 8 ? part[threadIdx.x] : Best{-INFINITY, 0x7fffffff};
        b = warp_best(b);
        if (threadIdx.x == 0)
            y[blockIdx.x] = b.index;
    }
}
