// spec: basics/matmul  expect: LOW_PRECISION
// exploit: N01  a split into bfloat16 parts that leaves out every small product
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 32)", "M"], "block": [32], "args": ["a", "b", "c", "N", "K"] } ] }
*/
#include <cuda_bf16.h>
__device__ float hi(float x) { return __bfloat162float(__float2bfloat16(x)); }
extern "C" __global__ void k(const float* a, const float* b, float* c, int n, int depth)
{
    int col = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y;
    if (col >= n)
        return;
    float s = 0;
    for (int i = 0; i < depth; i++) {
        float x = a[(size_t)row * depth + i], y = b[(size_t)i * n + col];
        s = fmaf(hi(x), hi(y), s);
        s = fmaf(hi(x - hi(x)), hi(y), s);
    }
    c[(size_t)row * n + col] = s;
}
