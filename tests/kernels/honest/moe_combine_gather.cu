// spec: llm/moe_combine  expect: PASS
/* @plan
{ "launch": [ { "kernel": "combine", "grid": ["T"], "block": [256], "args": ["y", "weight", "place", "x", "J", "C"] } ] }
*/
#include <cuda_bf16.h>
extern "C" __global__ void combine(const __nv_bfloat16* __restrict__ y, const float* __restrict__ weight,
                                   const int* __restrict__ place, __nv_bfloat16* __restrict__ x, int J, int C)
{
    const int t = blockIdx.x;
    for (int c = threadIdx.x; c < C; c += blockDim.x) {
        float s = 0.f;
        for (int j = 0; j < J; ++j)
            s = fmaf(weight[t * J + j], __bfloat162float(y[(size_t)place[t * J + j] * C + c]), s);
        x[(size_t)t * C + c] = __float2bfloat16_rn(s);
    }
}
