// spec: basics/matmul  expect: PASS
/* @plan
{ "launch": [ { "kernel": "matmul_async", "grid": ["ceil_div(N, 16)", "ceil_div(M, 16)"], "block": [16, 16],
                "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <cuda_pipeline.h>
#include <cuda_runtime.h>

// Two stages: the next tile comes by cp.async while the present one is used.
extern "C" __global__ void matmul_async(const float* __restrict__ a, const float* __restrict__ b,
                                        float* __restrict__ c, int M, int N, int K)
{
    __shared__ float sa[2][16][16], sb[2][16][16];
    const int tx = threadIdx.x, ty = threadIdx.y, row = blockIdx.y * 16 + ty, col = blockIdx.x * 16 + tx;
    const int tiles = (K + 15) / 16;
    auto load = [&](int stage, int t) {
        if (row < M && t * 16 + tx < K)
            __pipeline_memcpy_async(&sa[stage][ty][tx], &a[(size_t)row * K + t * 16 + tx], sizeof(float));
        else
            sa[stage][ty][tx] = 0.f;
        if (col < N && t * 16 + ty < K)
            __pipeline_memcpy_async(&sb[stage][ty][tx], &b[(size_t)(t * 16 + ty) * N + col], sizeof(float));
        else
            sb[stage][ty][tx] = 0.f;
        __pipeline_commit();
    };
    float sum = 0.f;
    load(0, 0);
    for (int t = 0; t < tiles; t++) {
        if (t + 1 < tiles) {
            load((t + 1) & 1, t + 1);
            __pipeline_wait_prior(1);
        } else {
            __pipeline_wait_prior(0);
        }
        __syncthreads();
        for (int k = 0; k < 16; k++)
            sum += sa[t & 1][ty][k] * sb[t & 1][k][tx];
        __syncthreads();
    }
    if (row < M && col < N)
        c[(size_t)row * N + col] = sum;
}
