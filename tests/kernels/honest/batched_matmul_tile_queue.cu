// spec: basics/batched_matmul  expect: PASS
/* @plan
{ "launch": [ { "kernel": "bmm", "grid": [24], "block": [16, 16], "args": ["a", "b", "c", "B", "M", "N", "K"] } ] }
*/
// Persistent blocks take tiles from a counter; the last one to leave sets everything back.
__device__ unsigned next_tile = 0, finished = 0;

extern "C" __global__ void bmm(const float* a, const float* b, float* c, int B, int M, int N, int K)
{
    __shared__ unsigned tile;
    __shared__ float ta[16][16], tb[16][16];
    const unsigned nx = (N + 15) / 16, ny = (M + 15) / 16, total = nx * ny * B;
    const bool lead = threadIdx.x == 0 && threadIdx.y == 0;
    for (;;) {
        if (lead)
            tile = atomicAdd(&next_tile, 1u);
        __syncthreads();
        const unsigned t = tile;
        if (t >= total)
            break;
        const unsigned batch = t / (nx * ny);
        const int row = t / nx % ny * 16 + threadIdx.y, col = t % nx * 16 + threadIdx.x;
        const float *pa = a + (size_t)batch * M * K, *pb = b + (size_t)batch * K * N;
        float s = 0.f;
        for (int k = 0; k < K; k += 16) {
            ta[threadIdx.y][threadIdx.x] = row < M && k + (int)threadIdx.x < K ? pa[(size_t)row * K + k + threadIdx.x] : 0.f;
            tb[threadIdx.y][threadIdx.x] = col < N && k + (int)threadIdx.y < K ? pb[(size_t)(k + threadIdx.y) * N + col] : 0.f;
            __syncthreads();
            for (int j = 0; j < 16; j++)
                s += ta[threadIdx.y][j] * tb[j][threadIdx.x];
            __syncthreads();
        }
        if (row < M && col < N)
            c[((size_t)batch * M + row) * N + col] = s;
    }
    if (lead) {
        __threadfence();
        if (atomicAdd(&finished, 1u) == gridDim.x - 1) {
            next_tile = 0;
            finished = 0;
        }
    }
}
