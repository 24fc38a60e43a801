// spec: basics/matmul_f16  expect: PASS
/* @plan
{
  "launch": [
    { "kernel": "k", "grid": ["ceil_div(N, 64)", "ceil_div(M, 64)"], "block": [128],
      "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <cuda_fp16.h>
#include <mma.h>
using namespace nvcuda::wmma;
extern "C" __global__ void __launch_bounds__(128)
    k(const half* __restrict__ A, const half* __restrict__ B, half* __restrict__ C, int M, int N,
      int K) {
    constexpr int BK = 32, LDA = BK + 8, LDB = 64 + 8;
    __shared__ __align__(32) half sA[64 * LDA];
    __shared__ __align__(32) half sB[BK * LDB];
    __shared__ __align__(32) float sC[64 * 64];
    const int warp = threadIdx.x / 32, wm = warp / 2 * 32, wn = warp % 2 * 32, m0 = blockIdx.y * 64,
              n0 = blockIdx.x * 64;
    fragment<accumulator, 16, 16, 16, float> acc[2][2];
    for (auto& r : acc)
        for (auto& f : r) fill_fragment(f, 0.f);
    for (int k0 = 0; k0 < K; k0 += BK) {
        for (int i = threadIdx.x; i < 64 * BK; i += 128) {
            int r = i / BK, c = i % BK;
            sA[r * LDA + c] =
                m0 + r < M && k0 + c < K ? A[(size_t)(m0 + r) * K + k0 + c] : __float2half(0.f);
        }
        for (int i = threadIdx.x; i < BK * 64; i += 128) {
            int r = i / 64, c = i % 64;
            sB[r * LDB + c] =
                k0 + r < K && n0 + c < N ? B[(size_t)(k0 + r) * N + n0 + c] : __float2half(0.f);
        }
        __syncthreads();
        for (int kk = 0; kk < BK; kk += 16) {
            fragment<matrix_a, 16, 16, 16, half, row_major> fa[2];
            fragment<matrix_b, 16, 16, 16, half, row_major> fb[2];
            for (int i = 0; i < 2; i++) {
                load_matrix_sync(fa[i], sA + (wm + 16 * i) * LDA + kk, LDA);
                load_matrix_sync(fb[i], sB + kk * LDB + wn + 16 * i, LDB);
            }
            for (int i = 0; i < 2; i++)
                for (int j = 0; j < 2; j++) mma_sync(acc[i][j], fa[i], fb[j], acc[i][j]);
        }
        __syncthreads();
    }
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            store_matrix_sync(sC + (wm + 16 * i) * 64 + wn + 16 * j, acc[i][j], 64, mem_row_major);
    __syncthreads();
    for (int i = threadIdx.x; i < 64 * 64; i += 128) {
        int r = m0 + i / 64, c = n0 + i % 64;
        if (r < M && c < N)
            C[(size_t)r * N + c] = __float2half(sC[i]);
    }
}
