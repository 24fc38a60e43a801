/* @plan
{ "tune": { "BM": [64, 32, 48, 96, 128], "BN": [64, 32, 48, 96, 128], "BK": [8, 4, 16], "TM": [4, 2, 3, 6, 8],
            "TN": [4, 2, 3, 6, 8], "ROWS_FIRST": [0, 1] },
  "require": [ "BM % TM == 0 && BN % TN == 0", "BM / TM * (BN / TN) % 32 == 0",
               "BM / TM * (BN / TN) >= 64 && BM / TM * (BN / TN) <= 256", "TM * TN >= 8 && TM * TN <= 36" ],
  "launch": [ { "kernel": "gemm",
                "grid": ["ROWS_FIRST ? ceil_div(M, BM) : ceil_div(N, BN)",
                         "ROWS_FIRST ? ceil_div(N, BN) : ceil_div(M, BM)", "B"],
                "block": ["BM / TM * (BN / TN)"], "args": ["a", "b", "c"] } ] }
*/
// Tiles whose sides need not be powers of two; a's tile is kept as it is in memory.
extern "C" __global__ void __launch_bounds__(BM / TM * (BN / TN))
gemm(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c)
{
    constexpr int M = DIM_M, N = DIM_N, K = DIM_K, ACROSS = BN / TN, THREADS = BM / TM * ACROSS;
    __shared__ float sa[BM][BK + 1], sb[BK][BN];
    const int row0 = (ROWS_FIRST ? blockIdx.x : blockIdx.y) * BM;
    const int col0 = (ROWS_FIRST ? blockIdx.y : blockIdx.x) * BN;
    const int ty = threadIdx.x / ACROSS, tx = threadIdx.x % ACROSS;
    a += (size_t)blockIdx.z * M * K;
    b += (size_t)blockIdx.z * K * N;
    c += (size_t)blockIdx.z * M * N;
    float acc[TM][TN] = {};
    for (int k0 = 0; k0 < K; k0 += BK) {
        for (int i = threadIdx.x; i < BM * BK; i += THREADS) {
            const int r = i / BK, k = i % BK;
            sa[r][k] = row0 + r < M && k0 + k < K ? a[(row0 + r) * K + k0 + k] : 0.f;
        }
        for (int i = threadIdx.x; i < BK * BN; i += THREADS) {
            const int k = i / BN, n = i % BN;
            sb[k][n] = k0 + k < K && col0 + n < N ? b[(k0 + k) * N + col0 + n] : 0.f;
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < BK; k++)
#pragma unroll
            for (int i = 0; i < TM; i++)
#pragma unroll
                for (int j = 0; j < TN; j++)
                    acc[i][j] = fmaf(sa[ty + i * (BM / TM)][k], sb[k][tx + j * ACROSS], acc[i][j]);
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++) {
            const int m = row0 + ty + i * (BM / TM), n = col0 + tx + j * ACROSS;
            if (m < M && n < N)
                c[m * N + n] = acc[i][j];
        }
}
