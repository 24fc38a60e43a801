// spec: basics/vector_add  expect: PASS
/* @plan
{ "launch": [ { "kernel": "vector_add", "grid": ["ceil_div(N, 1024)"], "block": [256],
                "args": ["a", "b", "c", "N"] } ] }
*/
#include <cuda_runtime.h>

// Four elements a thread; the last thread of a ragged size does what is left one by one.
extern "C" __global__ void vector_add(const float* __restrict__ a, const float* __restrict__ b,
                                      float* __restrict__ c, int n)
{
    int i = (blockIdx.x * blockDim.x + threadIdx.x) * 4;
    if (i + 3 < n) {
        float4 va = *reinterpret_cast<const float4*>(a + i);
        float4 vb = *reinterpret_cast<const float4*>(b + i);
        float4 vc = make_float4(va.x + vb.x, va.y + vb.y, va.z + vb.z, va.w + vb.w);
        *reinterpret_cast<float4*>(c + i) = vc;
    } else {
        for (; i < n; i++)
            c[i] = a[i] + b[i];
    }
}
