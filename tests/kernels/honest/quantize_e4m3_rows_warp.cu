// spec: llm/quantize_e4m3_rows  expect: PASS
/* @plan
{ "launch": [ { "kernel": "quantize", "grid": ["M"], "block": [32], "args": ["x", "q", "scale", "K"] } ] }
*/
#include <cuda_bf16.h>
#include <cuda_fp8.h>
extern "C" __global__ void quantize(const __nv_bfloat16* x, __nv_fp8_e4m3* q, float* scale, int K)
{
    const __nv_bfloat16* row = x + (size_t)blockIdx.x * K;
    float most = 0.f;
    for (int i = threadIdx.x; i < K; i += 32) most = fmaxf(most, fabsf(__bfloat162float(row[i])));
    for (int d = 16; d; d >>= 1) most = fmaxf(most, __shfl_xor_sync(~0u, most, d));
    const float s = fmaxf(most, 9.094947017729282e-13f) / 448.f;
    if (threadIdx.x == 0) scale[blockIdx.x] = s;
    for (int i = threadIdx.x; i < K; i += 32)
        q[(size_t)blockIdx.x * K + i] = __nv_fp8_e4m3(__bfloat162float(row[i]) / s);
}
