// spec: basics/vector_add  expect: PASS
// Looks at alignment and ends of pointers: a head alone, then four at a time.
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["min(ceil_div(N, 1024), 528)"], "block": [256], "args": ["a", "b", "c", "N"] } ] }
*/
#include <stdint.h>
extern "C" __global__ void k(const float* a, const float* b, float* c, int n)
{
    const int i = blockIdx.x * 256 + threadIdx.x, step = gridDim.x * 256;
    const float* end = a + n;
    if (a == nullptr || b == nullptr)
        return;
    if (((uintptr_t)a | (uintptr_t)b | (uintptr_t)c) % 16 == 0) {
        const float4* p = (const float4*)a + i;
        for (; (const float*)(p + 1) <= end; p += step) {
            ptrdiff_t at = p - (const float4*)a;
            float4 u = *p, v = ((const float4*)b)[at];
            ((float4*)c)[at] = make_float4(u.x + v.x, u.y + v.y, u.z + v.z, u.w + v.w);
        }
        if (i < n % 4)
            c[n / 4 * 4 + i] = a[n / 4 * 4 + i] + b[n / 4 * 4 + i];
    } else {
        for (int e = i; e < n; e += step)
            c[e] = a[e] + b[e];
    }
}
