/* Tiles of 32 x 32 in shared memory. */
/* @plan
{ "launch": [ { "kernel": "mm", "grid": ["ceil_div(N, 32)", "ceil_div(M, 32)"], "block": [32, 32], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
extern "C" __global__ void mm(const float *a, const float *b, float *c, int M, int N, int K)
{
    __shared__ float as[32][32], bs[32][32];
    int column = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y * 32 + threadIdx.y;
    float s = 0;
    for (int k = 0; k < K; k += 32) {
        as[threadIdx.y][threadIdx.x] = row < M && k + threadIdx.x < K ? a[(size_t)row * K + k + threadIdx.x] : 0;
        bs[threadIdx.y][threadIdx.x] = k + threadIdx.y < K && column < N ? b[(size_t)(k + threadIdx.y) * N + column] : 0;
        __syncthreads();
        for (int i = 0; i < 32; i++)
            s += as[threadIdx.y][i] * bs[i][threadIdx.x];
        __syncthreads();
    }
    if (row < M && column < N)
        c[(size_t)row * N + column] = s;
}
