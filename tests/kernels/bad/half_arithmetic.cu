// spec: basics/matmul  expect: LOW_PRECISION
/* @plan
{ "launch": [ { "kernel": "matmul", "grid": ["ceil_div(N, 16)", "ceil_div(M, 16)"], "block": [16, 16],
                "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <cuda_fp16.h>

extern "C" __global__ void matmul(const float* a, const float* b, float* c, int M, int N, int K)
{
    int row = blockIdx.y * 16 + threadIdx.y, col = blockIdx.x * 16 + threadIdx.x;
    if (row >= M || col >= N)
        return;
    float sum = 0;
    for (int k = 0; k < K; k++)
        sum += __half2float(__hmul(__float2half(a[row * K + k]), __float2half(b[k * N + col])));
    c[row * N + col] = sum;
}
