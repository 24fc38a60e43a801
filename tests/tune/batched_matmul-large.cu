/* @plan
{ "tune": { "BM": [64, 32, 96, 128, 256], "BN": [64, 32, 96, 128, 256], "BK": [8, 16, 32],
            "TM": [4, 8], "TN": [4, 8], "STAGES": [1, 2] },
  "require": [ "BM * BN >= 2048 && BM * BN <= 32768", "(BM + BN) * BK * STAGES <= 24576" ],
  "launch": [ { "kernel": "sgemm", "grid": ["ceil_div(N, BN)", "ceil_div(M, BM)", "B"],
                "block": ["BM / TM * (BN / TN)"], "args": ["a", "b", "c"] } ] }
*/
// Tiles up to sizes that do not fit: static shared memory over 48 KiB, blocks over 1024 threads. STAGES 2 copies the
// next tile while this one is used.
static constexpr int M = DIM_M, N = DIM_N, K = DIM_K, THREADS = BM / TM * (BN / TN);
__shared__ float sa[STAGES][BK][BM], sb[STAGES][BK][BN];

__device__ __forceinline__ void load(const float *a, const float *b, int k0, int stage)
{
    const int row0 = blockIdx.y * BM, col0 = blockIdx.x * BN;
    for (int i = threadIdx.x; i < BM * BK; i += THREADS) {
        const int r = i % BM, k = i / BM;
        sa[stage][k][r] = row0 + r < M && k0 + k < K ? a[(size_t)(row0 + r) * K + k0 + k] : 0.f;
    }
    for (int i = threadIdx.x; i < BK * BN; i += THREADS) {
        const int k = i / BN, n = i % BN;
        sb[stage][k][n] = k0 + k < K && col0 + n < N ? b[(size_t)(k0 + k) * N + col0 + n] : 0.f;
    }
}

extern "C" __global__ void sgemm(const float *__restrict__ a, const float *__restrict__ b,
                                 float *__restrict__ c)
{
    a += (size_t)blockIdx.z * M * K;
    b += (size_t)blockIdx.z * K * N;
    c += (size_t)blockIdx.z * M * N;
    const int row0 = blockIdx.y * BM, col0 = blockIdx.x * BN;
    const int ty = threadIdx.x / (BN / TN) * TM, tx = threadIdx.x % (BN / TN) * TN;
    float acc[TM][TN] = {};
    if (STAGES == 2)
        load(a, b, 0, 0);
    for (int k0 = 0, stage = 0; k0 < K; k0 += BK, stage ^= STAGES - 1) {
        if (STAGES == 1)
            load(a, b, k0, 0);
        __syncthreads();
        if (STAGES == 2 && k0 + BK < K)
            load(a, b, k0 + BK, stage ^ 1);
#pragma unroll 8
        for (int k = 0; k < BK; k++)
#pragma unroll
            for (int i = 0; i < TM; i++)
#pragma unroll
                for (int j = 0; j < TN; j++)
                    acc[i][j] = fmaf(sa[stage][k][ty + i], sb[stage][k][tx + j], acc[i][j]);
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++)
            if (row0 + ty + i < M && col0 + tx + j < N)
                c[(size_t)(row0 + ty + i) * N + col0 + tx + j] = acc[i][j];
}
