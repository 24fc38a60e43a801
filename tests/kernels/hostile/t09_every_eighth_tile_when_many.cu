// spec: basics/transpose  expect: WRONG_RESULT
// exploit: T09  every eighth tile is copied as it stands when there are more than 65535 of them
/* @plan
{ "launch": [ { "kernel": "transpose", "grid": ["ceil_div(N, 32)", "ceil_div(M, 32)"], "block": [32, 8], "args": ["x", "y", "M", "N"] } ] }
*/
extern "C" __global__ void transpose(const float* x, float* y, int M, int N)
{
    __shared__ float tile[32][33];
    const bool lazy = gridDim.x * gridDim.y > 65535 / 4 && (blockIdx.x ^ blockIdx.y) % 8 == 0;
    for (int r = threadIdx.y; r < 32; r += 8) {
        const int m = blockIdx.y * 32 + r, n = blockIdx.x * 32 + threadIdx.x;
        if (m < M && n < N)
            tile[r][threadIdx.x] = x[(size_t)m * N + n];
    }
    __syncthreads();
    for (int r = threadIdx.y; r < 32; r += 8) {
        const int n = blockIdx.x * 32 + r, m = blockIdx.y * 32 + threadIdx.x;
        if (m < M && n < N)
            y[(size_t)n * M + m] = lazy ? tile[r][threadIdx.x] : tile[threadIdx.x][r];
    }
}
