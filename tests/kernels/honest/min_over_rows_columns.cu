// spec: kernelbench/level1/053_min_reduction_over_a_dimension  expect: PASS
/* @plan
{ "launch": [ { "kernel": "min_dim1", "grid": ["ceil_div(N, 32)", "B"], "block": [32, 8], "args": ["x", "reduce0", "M", "N"] } ] }
*/
#include <math_constants.h>

extern "C" __global__ void min_dim1(const float* __restrict__ x, float* __restrict__ out, int M, int N)
{
    __shared__ float best[8][33];
    const int n = blockIdx.x * 32 + threadIdx.x;
    float m = CUDART_INF_F;
    if (n < N)
        for (int r = threadIdx.y; r < M; r += 8)
            m = fminf(m, __ldg(&x[((size_t)blockIdx.y * M + r) * N + n]));
    best[threadIdx.y][threadIdx.x] = m;
    __syncthreads();
    if (threadIdx.y == 0 && n < N) {
#pragma unroll
        for (int k = 1; k < 8; ++k)
            m = fminf(m, best[k][threadIdx.x]);
        out[(size_t)blockIdx.y * N + n] = m;
    }
}
