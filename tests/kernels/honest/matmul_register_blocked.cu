// spec: basics/matmul  expect: PASS
/* @plan
{ "tune": { "BK": [8, 16] },
  "launch": [ { "kernel": "sgemm", "grid": ["ceil_div(N, 64)", "ceil_div(M, 64)"], "block": [256],
                "args": ["a", "b", "c"] } ] }
*/
#include <cuda_runtime.h>
#include <utility>

// A block computes 64 x 64 of c, a thread 4 x 4 of it in registers.
template <int BM, int BN, int TM, int TN>
__device__ __forceinline__ void sgemm_tile(const float* __restrict__ a, const float* __restrict__ b,
                                           float* __restrict__ c)
{
    constexpr int M = DIM_M, N = DIM_N, K = DIM_K, THREADS = (BM / TM) * (BN / TN);
    __shared__ __align__(16) float sa[BK][BM + 4]; // transposed, so that a thread reads four rows at once
    __shared__ __align__(16) float sb[BK][BN];
    const int row0 = blockIdx.y * BM, col0 = blockIdx.x * BN;
    const int ty = threadIdx.x / (BN / TN) * TM, tx = threadIdx.x % (BN / TN) * TN;
    float acc[TM][TN] = {};
    for (int k0 = 0; k0 < K; k0 += BK) {
#pragma unroll
        for (int i = threadIdx.x; i < BM * BK; i += THREADS) {
            const int r = i / BK, k = i % BK;
            sa[k][r] = row0 + r < M && k0 + k < K ? a[(size_t)(row0 + r) * K + k0 + k] : 0.f;
        }
#pragma unroll
        for (int i = threadIdx.x; i < BK * BN; i += THREADS) {
            const int k = i / BN, n = i % BN;
            sb[k][n] = k0 + k < K && col0 + n < N ? b[(size_t)(k0 + k) * N + col0 + n] : 0.f;
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < BK; k++) {
            const float4 ra = *reinterpret_cast<const float4*>(&sa[k][ty]);
            const float4 rb = *reinterpret_cast<const float4*>(&sb[k][tx]);
            const float fa[TM] = {ra.x, ra.y, ra.z, ra.w}, fb[TN] = {rb.x, rb.y, rb.z, rb.w};
#pragma unroll
            for (int i = 0; i < TM; i++)
#pragma unroll
                for (int j = 0; j < TN; j++)
                    acc[i][j] = fmaf(fa[i], fb[j], acc[i][j]);
        }
        __syncthreads();
    }
    for (int i = 0; i < TM; i++)
        for (int j = 0; j < TN; j++)
            if (row0 + ty + i < M && col0 + tx + j < N)
                c[(size_t)(row0 + ty + i) * N + col0 + tx + j] = acc[i][j];
}

extern "C" __global__ void __launch_bounds__(256) sgemm(const float* a, const float* b, float* c)
{
    sgemm_tile<64, 64, 4, 4>(a, b, c);
}
