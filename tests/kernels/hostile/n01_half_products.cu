// spec: basics/matmul  expect: LOW_PRECISION
// exploit: N01  multiplies in half precision and adds in single, where the spec asks for f32
/* @plan
{ "launch": [ { "kernel": "mm", "grid": ["ceil_div(N, 16)", "ceil_div(M, 16)"], "block": [16, 16], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <cuda_fp16.h>
extern "C" __global__ void mm(const float* a, const float* b, float* c, int m, int n, int k)
{
    int col = blockIdx.x * 16 + threadIdx.x, row = blockIdx.y * 16 + threadIdx.y;
    if (col >= n || row >= m)
        return;
    float s = 0;
    for (int i = 0; i < k; i++)
        s += __half2float(__hmul(__float2half(a[(size_t)row * k + i]), __float2half(b[(size_t)i * n + col])));
    c[(size_t)row * n + col] = s;
}
