/* @plan
{ "tune": { "WM": [2, 1, 4], "WN": [2, 1, 4], "FM": [2, 1, 4], "FN": [2, 1, 4], "BK": [32, 16, 64],
            "PAD": [8, 0, 16] },
  "require": [ "WM * WN >= 2 && WM * WN <= 8", "FM * FN <= 8", "WM * FM <= 8 && WN * FN <= 8" ],
  "launch": [ { "kernel": "gemm", "grid": ["ceil_div(N, 16 * WN * FN)", "ceil_div(M, 16 * WM * FM)"],
                "block": ["32 * WM * WN"], "shared": "max((16 * WM * FM * (BK + PAD) + BK * (16 * WN * FN + PAD)) * 2, 256 * WM * WN * 4)",
                "args": ["a", "b", "c"] } ] }
*/
// WM x WN warps, FM x FN fragments of 16 x 16 each.
#include <cuda_fp16.h>
#include <mma.h>
using namespace nvcuda::wmma;

extern "C" __global__ void __launch_bounds__(32 * WM * WN)
gemm(const half *__restrict__ a, const half *__restrict__ b, half *__restrict__ c)
{
    constexpr int M = DIM_M, N = DIM_N, K = DIM_K, BM = 16 * WM * FM, BN = 16 * WN * FN;
    constexpr int LDA = BK + PAD, LDB = BN + PAD, THREADS = 32 * WM * WN;
    extern __shared__ __align__(128) unsigned char room[];
    half *sa = (half *)room, *sb = sa + BM * LDA;
    const int warp = threadIdx.x / 32, m1 = warp / WN * 16 * FM, n1 = warp % WN * 16 * FN;
    const int m0 = blockIdx.y * BM, n0 = blockIdx.x * BN;
    fragment<accumulator, 16, 16, 16, float> acc[FM][FN];
    for (int i = 0; i < FM; i++)
        for (int j = 0; j < FN; j++)
            fill_fragment(acc[i][j], 0.f);
    for (int k0 = 0; k0 < K; k0 += BK) {
        for (int i = threadIdx.x; i < BM * BK; i += THREADS) {
            const int r = i / BK, k = i % BK;
            sa[r * LDA + k] = m0 + r < M && k0 + k < K ? a[(size_t)(m0 + r) * K + k0 + k] : __float2half(0.f);
        }
        for (int i = threadIdx.x; i < BK * BN; i += THREADS) {
            const int k = i / BN, n = i % BN;
            sb[k * LDB + n] = k0 + k < K && n0 + n < N ? b[(size_t)(k0 + k) * N + n0 + n] : __float2half(0.f);
        }
        __syncthreads();
        for (int k = 0; k < BK; k += 16) {
            fragment<matrix_a, 16, 16, 16, half, row_major> fa[FM];
            fragment<matrix_b, 16, 16, 16, half, row_major> fb[FN];
            for (int i = 0; i < FM; i++)
                load_matrix_sync(fa[i], sa + (m1 + 16 * i) * LDA + k, LDA);
            for (int j = 0; j < FN; j++)
                load_matrix_sync(fb[j], sb + k * LDB + n1 + 16 * j, LDB);
            for (int i = 0; i < FM; i++)
                for (int j = 0; j < FN; j++)
                    mma_sync(acc[i][j], fa[i], fb[j], acc[i][j]);
        }
        __syncthreads();
    }
    float *out = (float *)room + warp * 256;
    for (int i = 0; i < FM; i++)
        for (int j = 0; j < FN; j++) {
            store_matrix_sync(out, acc[i][j], 16, mem_row_major);
            __syncwarp();
            for (int e = threadIdx.x % 32; e < 256; e += 32) {
                const int m = m0 + m1 + 16 * i + e / 16, n = n0 + n1 + 16 * j + e % 16;
                if (m < M && n < N)
                    c[(size_t)m * N + n] = __float2half(out[e]);
            }
            __syncwarp();
        }
}
