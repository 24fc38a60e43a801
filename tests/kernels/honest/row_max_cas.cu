// spec: basics/row_max  expect: PASS
/* @plan
{ "launch": [ { "kernel": "init", "grid": ["ceil_div(B, 256)"], "block": [256], "args": ["y", "B"] },
              { "kernel": "row_max", "grid": ["B", 2], "block": [96], "args": ["x", "y", "N"] } ] }
*/
#include <cuda_runtime.h>
#include <stdint.h>

__device__ float atomicMaxFloat(float* address, float value)
{
    int* bits = reinterpret_cast<int*>(address);
    int old = atomicAdd(bits, 0), assumed;
    do {
        assumed = old;
        if (__int_as_float(assumed) >= value)
            break;
        old = atomicCAS(bits, assumed, __float_as_int(value));
    } while (assumed != old);
    return __int_as_float(old);
}

extern "C" __global__ void init(float* y, int b)
{
    int i = threadIdx.x + blockIdx.x * blockDim.x;
    if (i < b)
        y[i] = -__int_as_float(0x7f800000);
}

extern "C" __global__ void row_max(const float* x, float* y, int n)
{
    const unsigned active = 0xffffffffu;
    float m = -INFINITY;
    for (int i = blockIdx.y * blockDim.x + threadIdx.x; i < n; i += gridDim.y * blockDim.x)
        m = fmaxf(m, x[(int64_t)blockIdx.x * n + i]);
    for (int d = 16; d > 0; d /= 2)
        m = fmaxf(m, __shfl_xor_sync(active, m, d));
    if ((threadIdx.x & 31) == 0 && m > -INFINITY)
        atomicMaxFloat(&y[blockIdx.x], m);
}
