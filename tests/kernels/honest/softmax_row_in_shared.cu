// spec: basics/softmax  expect: PASS
/* @plan
{ "require": [ "N <= 50000" ],
  "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [256], "shared": "(N + 8) * 4",
                "args": ["x", "y", "N"] } ] }
*/
#include <cuda_runtime.h>
#include <stdio.h>

extern __shared__ float buffer[]; // 8 partial results, then the row

template <typename Op> __device__ float block_reduce(float v, float* part, Op op)
{
    for (int d = 16; d > 0; d >>= 1)
        v = op(v, __shfl_xor_sync(0xffffffffu, v, d));
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = v;
    __syncthreads();
    v = part[0];
    for (int i = 1; i < 8; i++)
        v = op(v, part[i]);
    return v;
}

extern "C" __global__ void softmax(const float* x, float* y, int N)
{
    float* part = buffer;
    float* row = buffer + 8;
    const float* in = x + blockIdx.x * (size_t)N;
    float m = -INFINITY;
    for (int i = threadIdx.x; i < N; i += blockDim.x) {
        row[i] = in[i];
        m = max(m, row[i]);
    }
    m = block_reduce(m, part, [](float a, float b) { return fmaxf(a, b); });
    float s = 0;
    for (int i = threadIdx.x; i < N; i += blockDim.x)
        s += row[i] = __expf(row[i] - m);
    s = block_reduce(s, part, [](float a, float b) { return a + b; });
    for (int i = threadIdx.x; i < N; i += blockDim.x)
        y[blockIdx.x * (size_t)N + i] = __fdividef(row[i], s);
}
