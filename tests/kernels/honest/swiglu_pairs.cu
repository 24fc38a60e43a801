// spec: llm/swiglu  expect: PASS
/* @plan
{ "launch": [ { "kernel": "swiglu", "grid": ["ceil_div(F, 256)", "T"], "block": [128], "args": ["x", "y", "F"] } ] }
*/
#include <cuda_bf16.h>

// Two elements a thread; pairs go as one word where the row length allows it.
extern "C" __global__ void swiglu(const __nv_bfloat16* x, __nv_bfloat16* y, int F)
{
    const __nv_bfloat16 *gate = x + (size_t)blockIdx.y * 2 * F, *up = gate + F;
    __nv_bfloat16* out = y + (size_t)blockIdx.y * F;
    int i = (blockIdx.x * 128 + threadIdx.x) * 2;
    if (i >= F) return;
    if (F % 2 == 0) {
        float2 g = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(gate + i));
        float2 u = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(up + i));
        g.x = g.x / (1.f + __expf(-g.x)) * u.x;
        g.y = g.y / (1.f + __expf(-g.y)) * u.y;
        *reinterpret_cast<__nv_bfloat162*>(out + i) = __float22bfloat162_rn(g);
        return;
    }
    for (int k = i; k < min(i + 2, F); ++k) {
        float g = __bfloat162float(gate[k]);
        out[k] = __float2bfloat16(g / (1.f + __expf(-g)) * __bfloat162float(up[k]));
    }
}
