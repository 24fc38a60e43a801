// spec: llm/rope  expect: PASS
// RoPE, a thread a frequency and token, all heads; sincosf.
/* @plan
{ "launch": [ { "kernel": "rope", "grid": ["T"], "block": [64], "args": ["x", "position", "y", "H", "D"] } ] }
*/
#include <cuda_bf16.h>
extern "C" __global__ void rope(const __nv_bfloat16* x, const int* position, __nv_bfloat16* y, int heads, int d)
{
    const size_t token = (size_t)blockIdx.x * heads * 2 * d;
    const float place = (float)position[blockIdx.x];
    for (int i = threadIdx.x; i < d; i += 64) {
        float s, c, angle = place * expf((float)i / (float)d * -13.122363377404328f);
        sincosf(angle, &s, &c);
        for (int h = 0; h < heads; h++) {
            const size_t at = token + (size_t)h * 2 * d + i;
            float a = __bfloat162float(x[at]), b = __bfloat162float(x[at + d]);
            y[at] = __float2bfloat16(a * c - b * s);
            y[at + d] = __float2bfloat16(b * c + a * s);
        }
    }
}
