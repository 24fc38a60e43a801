// spec: basics/matmul  expect: SHARED_RACE
/* @plan
{
  "launch": [
    { "kernel": "mm", "grid": ["ceil_div(N, 32)", "ceil_div(M, 32)"], "block": [32, 8],
      "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <cuda_pipeline.h>
extern "C" __global__ void mm(const float* __restrict__ A, const float* __restrict__ B,
                              float* __restrict__ C, int M, int N, int K) {
    __shared__ float As[2][32][33], Bs[2][32][33];
    int tx = threadIdx.x, ty = threadIdx.y;
    int bm = blockIdx.y * 32, bn = blockIdx.x * 32;
    auto stage = [&](int s, int k0) {
        for (int i = ty; i < 32; i += 8) {
            if (bm + i < M && k0 + tx < K)
                __pipeline_memcpy_async(&As[s][i][tx], &A[(bm + i) * K + k0 + tx], 4);
            else
                As[s][i][tx] = 0;
            if (k0 + i < K && bn + tx < N)
                __pipeline_memcpy_async(&Bs[s][i][tx], &B[(k0 + i) * N + bn + tx], 4); // HERE
            else
                Bs[s][i][tx] = 0;
        }
        __pipeline_commit();
    };
    float acc[4] = {0, 0, 0, 0};
    int n = (K + 31) / 32;
    stage(0, 0);
    for (int t = 0; t < n; t++) {
        if (t + 1 < n) {
            stage((t + 1) & 1, (t + 1) * 32);
            __pipeline_wait_prior(1);
        } else
            __pipeline_wait_prior(0);
        __syncthreads();
        for (int k = 0; k < 32; k++)
            for (int i = 0; i < 4; i++) acc[i] += As[t & 1][ty + 8 * i][k] * Bs[t & 1][k][tx];
    }
    for (int i = 0; i < 4; i++)
        if (bm + ty + 8 * i < M && bn + tx < N)
            C[(bm + ty + 8 * i) * N + bn + tx] = acc[i];
}
