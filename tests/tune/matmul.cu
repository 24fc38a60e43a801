/* @plan
{ "tune": { "BM": [64, 32, 128], "BN": [64, 32, 128], "BK": [8, 16, 32], "TM": [4, 2, 8],
            "TN": [4, 2, 8], "PAD": [0, 4] },
  "require": [ "BM / TM * (BN / TN) >= 64", "BM / TM * (BN / TN) <= 512", "BM >= TM * 4" ],
  "launch": [ { "kernel": "sgemm", "grid": ["ceil_div(N, BN)", "ceil_div(M, BM)"],
                "block": ["BM / TM * (BN / TN)"], "args": ["a", "b", "c"] } ] }
*/
// A block computes BM x BN of c, a thread TM x TN of it in registers.
extern "C" __global__ void __launch_bounds__(BM / TM * (BN / TN))
sgemm(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c)
{
    constexpr int M = DIM_M, N = DIM_N, K = DIM_K, THREADS = BM / TM * (BN / TN);
    __shared__ float sa[BK][BM + PAD], sb[BK][BN];
    const int row0 = blockIdx.y * BM, col0 = blockIdx.x * BN;
    const int ty = threadIdx.x / (BN / TN) * TM, tx = threadIdx.x % (BN / TN) * TN;
    float acc[TM][TN] = {};
    for (int k0 = 0; k0 < K; k0 += BK) {
        for (int i = threadIdx.x; i < BM * BK; i += THREADS) {
            const int r = i / BK, k = i % BK;
            sa[k][r] = row0 + r < M && k0 + k < K ? a[(size_t)(row0 + r) * K + k0 + k] : 0.f;
        }
        for (int i = threadIdx.x; i < BK * BN; i += THREADS) {
            const int k = i / BN, n = i % BN;
            sb[k][n] = k0 + k < K && col0 + n < N ? b[(size_t)(k0 + k) * N + col0 + n] : 0.f;
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < BK; k++) {
            float ra[TM], rb[TN];
#pragma unroll
            for (int i = 0; i < TM; i++)
                ra[i] = sa[k][ty + i];
#pragma unroll
            for (int j = 0; j < TN; j++)
                rb[j] = sb[k][tx + j];
#pragma unroll
            for (int i = 0; i < TM; i++)
#pragma unroll
                for (int j = 0; j < TN; j++)
                    acc[i][j] = fmaf(ra[i], rb[j], acc[i][j]);
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++)
            if (row0 + ty + i < M && col0 + tx + j < N)
                c[(size_t)(row0 + ty + i) * N + col0 + tx + j] = acc[i][j];
}
