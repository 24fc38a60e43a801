// spec: basics/layer_norm  expect: LOW_PRECISION
// exploit: N15  the variance as a difference of large numbers
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [128], "args": ["x", "gamma", "beta", "y", "N"] } ] }
*/
__device__ float total(float s)
{
    __shared__ float part[4];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = s;
    __syncthreads();
    s = part[0] + part[1] + part[2] + part[3];
    __syncthreads();
    return s;
}
#include <cuda_fp16.h>
extern "C" __global__ void k(const float* x, const float* gamma, const float* beta, float* y, int n)
{
    const float* row = x + (size_t)blockIdx.x * n;
    float s = 0, q = 0;
    for (int i = threadIdx.x; i < n; i += 128) {
        float v = __half2float(__float2half(row[i]));
        s += v;
        q += v * v;
    }
    float mean = total(s) / n, r = rsqrtf(fmaxf(total(q) / n - mean * mean, 0.f) + 1e-5f);
    for (int i = threadIdx.x; i < n; i += 128)
        y[(size_t)blockIdx.x * n + i] = (row[i] - mean) * r * gamma[i] + beta[i];
}
