// spec: llm/linear_w8a16  expect: PASS
/* @plan
{ "launch": [ { "kernel": "linear", "grid": ["ceil_div(N, 4)", "M"], "block": [32, 4], "args": ["x", "w", "scale", "y", "N", "K"] } ] }
*/
#include <cuda_fp16.h>
extern "C" __global__ void linear(const half* x, const signed char* w, const float* scale, half* y, int N, int K)
{
    int n = blockIdx.x * 4 + threadIdx.y, m = blockIdx.y;
    if (n >= N) return;
    float acc = 0.f;
    int k = threadIdx.x;
    for (; k + 96 < K; k += 128) {
#pragma unroll
        for (int u = 0; u < 4; ++u)
            acc += __half2float(x[(size_t)m * K + k + 32 * u]) * (float)w[(size_t)n * K + k + 32 * u];
    }
    for (; k < K; k += 32) acc += __half2float(x[(size_t)m * K + k]) * (float)w[(size_t)n * K + k];
    for (int d = 16; d >= 1; d /= 2) acc += __shfl_down_sync(~0u, acc, d);
    if (threadIdx.x == 0) y[(size_t)m * N + n] = __float2half_rn(acc * scale[n]);
}
