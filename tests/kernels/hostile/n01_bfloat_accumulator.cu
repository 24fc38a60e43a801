// spec: basics/layer_norm  expect: LOW_PRECISION
// exploit: N01  the statistics are added up in bfloat16
/* @plan
{ "launch": [ { "kernel": "ln", "grid": ["B"], "block": [32], "args": ["x", "gamma", "beta", "y", "N"] } ] }
*/
#include <cuda_bf16.h>
extern "C" __global__ void ln(const float* x, const float* gamma, const float* beta, float* y, int n)
{
    const float* row = x + blockIdx.x * (size_t)n;
    __nv_bfloat16 s = __float2bfloat16(0.f), q = s;
    for (int i = threadIdx.x; i < n; i += 32) {
        __nv_bfloat16 v = __float2bfloat16(row[i]);
        s = __hadd(s, v);
        q = __hfma(v, v, q);
    }
    float mean = __bfloat162float(s), square = __bfloat162float(q);
    for (int d = 16; d; d /= 2) {
        mean += __shfl_xor_sync(~0u, mean, d);
        square += __shfl_xor_sync(~0u, square, d);
    }
    mean /= n;
    float r = rsqrtf(fmaxf(square / n - mean * mean, 0.f) + 1e-5f);
    for (int i = threadIdx.x; i < n; i += 32)
        y[blockIdx.x * (size_t)n + i] = (row[i] - mean) * r * gamma[i] + beta[i];
}
