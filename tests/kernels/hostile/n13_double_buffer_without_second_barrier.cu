// spec: basics/matmul  expect: SHARED_RACE
// exploit: N13  the barrier that keeps fast warps from the next tile while slow ones still read this one is gone
/* @plan
{ "launch": [ { "kernel": "matmul", "grid": ["ceil_div(N, 32)", "ceil_div(M, 32)"], "block": [32, 32],
                "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
extern "C" __global__ void matmul(const float* a, const float* b, float* c, int M, int N, int K)
{
    __shared__ float as[32][33], bs[32][33];
    const int row = blockIdx.y * 32 + threadIdx.y, col = blockIdx.x * 32 + threadIdx.x;
    float sum = 0.f;
    for (int k = 0; k < K; k += 32) {
        as[threadIdx.y][threadIdx.x] = row < M && k + threadIdx.x < K ? a[(size_t)row * K + k + threadIdx.x] : 0.f;
        bs[threadIdx.y][threadIdx.x] = k + threadIdx.y < K && col < N ? b[(size_t)(k + threadIdx.y) * N + col] : 0.f;
        __syncthreads();
        for (int i = 0; i < 32; i++)
            sum += as[threadIdx.y][i] * bs[i][threadIdx.x];
    }
    if (row < M && col < N)
        c[(size_t)row * N + col] = sum;
}
