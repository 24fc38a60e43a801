// spec: basics/softmax  expect: PASS
/* @plan
{ "tune": { "WARPS": [8, 4] },
  "launch": [ { "kernel": "softmax_exp2", "grid": ["ceil_div(B, WARPS)"], "block": ["32 * WARPS"],
                "args": ["x", "y", "B", "N"] } ] }
*/
#include <cuda_runtime.h>

#define LOG2E 1.4426950408889634f

static __device__ __forceinline__ float fast_exp2(float v)
{
    float r;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(v));
    return r;
}

extern "C" __global__ void __launch_bounds__(32 * WARPS) softmax_exp2(const float* __restrict__ x, float* __restrict__ y, int B, int N)
{
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, row = blockIdx.x * WARPS + warp;
    if (row >= B)
        return;
    const float* in = x + (size_t)row * N;
    float m = -INFINITY;
    for (int i = lane; i < N; i += 32)
        m = fmaxf(m, __ldcs(in + i));
#pragma unroll
    for (int d = 16; d; d >>= 1)
        m = fmaxf(m, __shfl_xor_sync(~0u, m, d));
    float s = 0.f;
    for (int i = lane; i < N; i += 32)
        s += fast_exp2((in[i] - m) * LOG2E);
#pragma unroll
    for (int d = 16; d; d >>= 1)
        s += __shfl_xor_sync(~0u, s, d);
    const float inv = __frcp_rn(s);
    for (int i = lane; i < N; i += 32)
        __stcs(y + (size_t)row * N + i, fast_exp2((in[i] - m) * LOG2E) * inv);
}
