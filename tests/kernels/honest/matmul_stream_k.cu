// spec: basics/matmul  expect: PASS
/* @plan
{
  "tune": { "BLOCKS": [12, 264] },
  "launch": [
    { "kernel": "clear", "grid": ["ceil_div(M * N, 256)"], "block": [256], "args": ["c", "M * N"] },
    { "kernel": "stream_k", "grid": ["BLOCKS"], "block": [256], "args": ["a", "b", "c", "M", "N", "K"] }
  ]
}
*/
// Stream-K: all (tile, k step) pairs in one line, cut into equal parts, one a block. A tile that two blocks
// share is put together by atomics.
constexpr int TILE = 32, STEP = 16;

extern "C" __global__ void clear(float* c, int count)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) c[i] = 0.f;
}

extern "C" __global__ void __launch_bounds__(256)
stream_k(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c, int M, int N, int K)
{
    __shared__ float sa[TILE][STEP + 1], sb[STEP][TILE];
    const int tiles_n = (N + TILE - 1) / TILE, tiles = tiles_n * ((M + TILE - 1) / TILE);
    const int steps = (K + STEP - 1) / STEP;
    const long long work = (long long)tiles * steps;
    long long it = work * blockIdx.x / gridDim.x;
    const long long end = work * (blockIdx.x + 1) / gridDim.x;
    const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
    while (it < end) {
        const int tile = (int)(it / steps), first = (int)(it % steps);
        const int last = (int)min((long long)steps, first + (end - it));
        const int row0 = tile / tiles_n * TILE, col0 = tile % tiles_n * TILE;
        float acc[2][2] = {};
        for (int s = first; s < last; ++s) {
            for (int e = threadIdx.x; e < TILE * STEP; e += 256) {
                int r = e / STEP, k = s * STEP + e % STEP;
                sa[r][e % STEP] = row0 + r < M && k < K ? a[(size_t)(row0 + r) * K + k] : 0.f;
            }
            for (int e = threadIdx.x; e < TILE * STEP; e += 256) {
                int k = s * STEP + e / TILE, q = col0 + e % TILE;
                sb[e / TILE][e % TILE] = k < K && q < N ? b[(size_t)k * N + q] : 0.f;
            }
            __syncthreads();
#pragma unroll
            for (int k = 0; k < STEP; ++k)
#pragma unroll
                for (int i = 0; i < 2; ++i)
#pragma unroll
                    for (int j = 0; j < 2; ++j) acc[i][j] += sa[ty + 16 * i][k] * sb[k][tx + 16 * j];
            __syncthreads();
        }
        for (int i = 0; i < 2; ++i)
            for (int j = 0; j < 2; ++j) {
                int r = row0 + ty + 16 * i, q = col0 + tx + 16 * j;
                if (r < M && q < N) atomicAdd(&c[(size_t)r * N + q], acc[i][j]);
            }
        it += last - first;
    }
}
