// spec: llm/swiglu  expect: PASS
// bfloat162 where the width is even, in a grid-stride loop.
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["min(ceil_div(T * F, 512), 2112)"], "block": [256], "args": ["x", "y", "T", "F"] } ] }
*/
#include <cuda_bf16.h>
__device__ __forceinline__ float gated(float g, float u) { return g / (1.f + __expf(-g)) * u; }
extern "C" __global__ void k(const __nv_bfloat16* x, __nv_bfloat16* y, int t, int f)
{
    const long long step = (long long)gridDim.x * blockDim.x, first = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (f % 2 == 0) {
        const __nv_bfloat162* p = reinterpret_cast<const __nv_bfloat162*>(x);
        __nv_bfloat162* o = reinterpret_cast<__nv_bfloat162*>(y);
        const int h = f / 2;
        for (long long i = first; i < (long long)t * h; i += step) {
            long long row = i / h, col = i % h;
            float2 g = __bfloat1622float2(p[row * f + col]), u = __bfloat1622float2(p[row * f + h + col]);
            o[i] = __floats2bfloat162_rn(gated(g.x, u.x), gated(g.y, u.y));
        }
    } else {
        for (long long i = first; i < (long long)t * f; i += step)
            y[i] = __float2bfloat16(gated(__bfloat162float(x[i / f * 2 * f + i % f]), __bfloat162float(x[i / f * 2 * f + f + i % f])));
    }
}
