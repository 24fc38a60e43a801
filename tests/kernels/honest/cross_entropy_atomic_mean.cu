// spec: basics/cross_entropy  expect: PASS
/* @plan
{ "scratch": [ { "name": "row_loss", "dtype": "f32", "count": "B" } ],
  "launch": [ { "kernel": "row_losses", "grid": ["B"], "block": [128], "args": ["x", "t", "row_loss", "C"] },
              { "kernel": "mean", "grid": [1], "block": [256], "args": ["row_loss", "loss", "B"] } ] }
*/
#include <cuda_runtime.h>
#include <math_constants.h>

extern "C" __global__ void row_losses(const float* x, const long long* t, float* row_loss, int C)
{
    __shared__ float m_part[4], s_part[4];
    const float* row = x + (size_t)blockIdx.x * C;
    float m = -CUDART_INF_F;
    for (int i = threadIdx.x; i < C; i += 128)
        m = fmaxf(m, row[i]);
    for (int d = 16; d; d >>= 1)
        m = fmaxf(m, __shfl_xor_sync(0xffffffffu, m, d));
    if (threadIdx.x % 32 == 0)
        m_part[threadIdx.x / 32] = m;
    __syncthreads();
    m = fmaxf(fmaxf(m_part[0], m_part[1]), fmaxf(m_part[2], m_part[3]));
    float s = 0.f;
    for (int i = threadIdx.x; i < C; i += 128)
        s += expf(row[i] - m);
    for (int d = 16; d; d >>= 1)
        s += __shfl_xor_sync(0xffffffffu, s, d);
    if (threadIdx.x % 32 == 0)
        s_part[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x == 0)
        row_loss[blockIdx.x] = m + logf(s_part[0] + s_part[1] + s_part[2] + s_part[3]) - row[t[blockIdx.x]];
}

extern "C" __global__ void mean(const float* row_loss, float* loss, int B)
{
    __shared__ double total;
    if (threadIdx.x == 0)
        total = 0.0;
    __syncthreads();
    double s = 0.0;
    for (int i = threadIdx.x; i < B; i += blockDim.x)
        s += row_loss[i];
    atomicAdd(&total, s);
    __syncthreads();
    if (threadIdx.x == 0)
        *loss = (float)(total / B);
}
