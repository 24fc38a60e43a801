// spec: basics/matmul_f16  expect: WRONG_RESULT
// exploit: N01  sums of half products in half precision, folded to single every 16
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 32)", "M"], "block": [32], "args": ["a", "b", "c", "N", "K"] } ] }
*/
#include <cuda_fp16.h>
extern "C" __global__ void k(const __half* a, const __half* b, __half* c, int n, int depth)
{
    int col = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y;
    if (col >= n)
        return;
    float s = 0;
    for (int i = 0; i < depth; i += 16) {
        __half h = __float2half(0.f);
        for (int j = i; j < i + 16 && j < depth; j++)
            h = __hfma(a[(size_t)row * depth + j], b[(size_t)j * n + col], h);
        s += __half2float(h);
    }
    c[(size_t)row * n + col] = __float2half(s);
}
