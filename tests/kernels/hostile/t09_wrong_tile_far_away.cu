// spec: basics/matmul  expect: WRONG_RESULT
// exploit: T09  tiles behind the first 1024 columns take the operand of a tile before them, which no small shape has
/* @plan
{ "launch": [ { "kernel": "matmul", "grid": ["ceil_div(N, 16)", "ceil_div(M, 16)"], "block": [16, 16],
                "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
extern "C" __global__ void matmul(const float* a, const float* b, float* c, int M, int N, int K)
{
    __shared__ float as[16][17], bs[16][17];
    const int row = blockIdx.y * 16 + threadIdx.y, col = blockIdx.x * 16 + threadIdx.x;
    const int from = blockIdx.x >= 64 && blockIdx.y >= 8 && K > 2048 ? col - 16 : col;
    float sum = 0.f;
    for (int k = 0; k < K; k += 16) {
        as[threadIdx.y][threadIdx.x] = row < M && k + threadIdx.x < K ? a[(size_t)row * K + k + threadIdx.x] : 0.f;
        bs[threadIdx.y][threadIdx.x] = k + threadIdx.y < K && from < N ? b[(size_t)(k + threadIdx.y) * N + from] : 0.f;
        __syncthreads();
        for (int i = 0; i < 16; i++)
            sum += as[threadIdx.y][i] * bs[i][threadIdx.x];
        __syncthreads();
    }
    if (row < M && col < N)
        c[(size_t)row * N + col] = sum;
}
