// spec: basics/matmul  expect: PASS
// Persistent blocks that take tiles from a counter.
/* @plan
{ "scratch": [ { "name": "next", "dtype": "u32", "count": "1" } ],
  "launch": [ { "kernel": "reset", "grid": [1], "block": [1], "args": ["next"] },
              { "kernel": "gemm", "grid": [132], "block": [256], "args": ["a", "b", "c", "next", "M", "N", "K"] } ] }
*/
extern "C" __global__ void reset(unsigned* next)
{
    *next = 0;
}
extern "C" __global__ void __launch_bounds__(256) gemm(const float* a, const float* b, float* c, unsigned* next, int M, int N, int K)
{
    __shared__ float ta[16][33], tb[16][33];
    __shared__ unsigned tile;
    const int x = threadIdx.x % 16, y = threadIdx.x / 16, wide = (N + 31) / 32, tiles = wide * ((M + 31) / 32);
    while (true) {
        if (threadIdx.x == 0)
            tile = atomicAdd(next, 1u);
        __syncthreads();
        const int t = tile;
        if (t >= tiles)
            return;
        const int m0 = t / wide * 32, n0 = t % wide * 32;
        float s[2][2] = {};
        for (int k0 = 0; k0 < K; k0 += 16) {
            for (int i = threadIdx.x; i < 512; i += 256) {
                int r = i / 16, q = i % 16, kb = i / 32, n = i % 32;
                ta[q][r] = m0 + r < M && k0 + q < K ? a[(size_t)(m0 + r) * K + k0 + q] : 0.f;
                tb[kb][n] = n0 + n < N && k0 + kb < K ? b[(size_t)(k0 + kb) * N + n0 + n] : 0.f;
            }
            __syncthreads();
            for (int k = 0; k < 16; k++)
                for (int i = 0; i < 2; i++)
                    for (int j = 0; j < 2; j++)
                        s[i][j] = fmaf(ta[k][y + 16 * i], tb[k][x + 16 * j], s[i][j]);
            __syncthreads();
        }
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < 2; j++)
                if (m0 + y + 16 * i < M && n0 + x + 16 * j < N)
                    c[(size_t)(m0 + y + 16 * i) * N + n0 + x + 16 * j] = s[i][j];
    }
}
