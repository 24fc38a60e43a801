// spec: basics/matmul  expect: WRONG_RESULT
// exploit: T09  right wherever one dim is small; where all are large every 16th row is that of its neighbour
/* @plan
{ "launch": [ { "kernel": "matmul", "grid": ["ceil_div(N, 16)", "ceil_div(M, 16)"], "block": [16, 16],
                "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
extern "C" __global__ void matmul(const float* a, const float* b, float* c, int M, int N, int K)
{
    __shared__ float as[16][17], bs[16][17];
    int row = blockIdx.y * 16 + threadIdx.y, col = blockIdx.x * 16 + threadIdx.x;
    int from = row;
    if ((long long)M * N * K > (1ll << 34) && threadIdx.y == 15)
        from--;
    float sum = 0.f;
    for (int k = 0; k < K; k += 16) {
        as[threadIdx.y][threadIdx.x] = from < M && k + threadIdx.x < K ? a[(size_t)from * K + k + threadIdx.x] : 0.f;
        bs[threadIdx.y][threadIdx.x] = k + threadIdx.y < K && col < N ? b[(size_t)(k + threadIdx.y) * N + col] : 0.f;
        __syncthreads();
        for (int i = 0; i < 16; i++)
            sum += as[threadIdx.y][i] * bs[i][threadIdx.x];
        __syncthreads();
    }
    if (row < M && col < N)
        c[(size_t)row * N + col] = sum;
}
