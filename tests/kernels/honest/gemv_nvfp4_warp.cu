// spec: llm/gemv_nvfp4  expect: PASS
/* @plan
{ "launch": [ { "kernel": "gemv", "grid": ["ceil_div(N, 4)"], "block": [128], "args": ["x", "w", "w_scale", "scale", "y", "N", "K"] } ] }
*/
#include <cuda_bf16.h>
#include <cuda_fp8.h>

__constant__ float e2m1[8] = {0.f, 0.5f, 1.f, 1.5f, 2.f, 3.f, 4.f, 6.f};

__device__ __forceinline__ float nibble(unsigned v)
{
    float m = e2m1[v & 7];
    return v & 8 ? -m : m;
}

extern "C" __global__ void gemv(const __nv_bfloat16* x, const unsigned char* w, const __nv_fp8_e4m3* w_scale,
                                const float* scale, __nv_bfloat16* y, int N, int K)
{
    int row = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32, groups = K / 16;
    if (row >= N) return;
    float acc = 0.f;
    for (int g = lane; g < groups; g += 32) {
        const uint2 q = *reinterpret_cast<const uint2*>(w + ((size_t)row * K + g * 16) / 2);
        float part = 0.f;
#pragma unroll
        for (int k = 0; k < 8; ++k) {
            part += nibble(q.x >> 4 * k) * __bfloat162float(x[g * 16 + k]);
            part += nibble(q.y >> 4 * k) * __bfloat162float(x[g * 16 + 8 + k]);
        }
        acc += part * float(w_scale[(size_t)row * groups + g]);
    }
    for (int o = 16; o; o >>= 1) acc += __shfl_xor_sync(0xffffffffu, acc, o);
    if (lane == 0) y[row] = __float2bfloat16(acc * *scale);
}
