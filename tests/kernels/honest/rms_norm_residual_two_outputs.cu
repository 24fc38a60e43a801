// spec: llm/rms_norm_residual  expect: PASS
/* @plan
{ "launch": [ { "kernel": "add_norm", "grid": ["T"], "block": [256], "shared": "C * 4", "args": ["x", "residual", "w", "y", "sum", "C"] } ] }
*/
#include <cuda_bf16.h>
extern "C" __global__ void add_norm(const __nv_bfloat16* x, const __nv_bfloat16* residual, const __nv_bfloat16* w,
                                    __nv_bfloat16* y, __nv_bfloat16* sum, int C)
{
    extern __shared__ float row[];
    __shared__ float warp_sq[8], inv;
    size_t base = (size_t)blockIdx.x * C;
    float sq = 0.f;
    for (int i = threadIdx.x; i < C; i += 256) {
        __nv_bfloat16 s = __float2bfloat16(__bfloat162float(x[base + i]) + __bfloat162float(residual[base + i]));
        float v = __bfloat162float(s);
        sum[base + i] = s;
        row[i] = v;
        sq += v * v;
    }
#pragma unroll
    for (int m = 16; m > 0; m /= 2) sq += __shfl_xor_sync(0xffffffff, sq, m);
    if (threadIdx.x % 32 == 0) warp_sq[threadIdx.x / 32] = sq;
    __syncthreads();
    if (threadIdx.x == 0) {
        float t = 0.f;
        for (int k = 0; k < 8; ++k) t += warp_sq[k];
        inv = rsqrtf(t / C + 1e-5f);
    }
    __syncthreads();
    for (int i = threadIdx.x; i < C; i += 256)
        y[base + i] = __float2bfloat16(row[i] * inv * __bfloat162float(w[i]));
}
