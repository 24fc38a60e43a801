/* Four blocks, each over the whole of the long axis. */
/* @plan
{ "launch": [ { "kernel": "mm", "grid": ["ceil_div(N, 32)", "ceil_div(M, 32)"], "block": [32, 32], "args": ["a", "b", "c", "M", "N", "K", "K"] } ] }
*/
extern "C" __global__ void mm(const float *a, const float *b, float *c, int M, int N, int K, int deep)
{
    __shared__ float as[32][33], bs[32][32];
    int column = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y * 32 + threadIdx.y;
    int begin = blockIdx.z * deep, end = min(begin + deep, K);
    float s = 0;
    for (int k = begin; k < end; k += 32) {
        as[threadIdx.y][threadIdx.x] = row < M && k + threadIdx.x < end ? a[(size_t)row * K + k + threadIdx.x] : 0;
        bs[threadIdx.y][threadIdx.x] = k + threadIdx.y < end && column < N ? b[(size_t)(k + threadIdx.y) * N + column] : 0;
        __syncthreads();
        for (int i = 0; i < 32; i++)
            s += as[threadIdx.y][i] * bs[i][threadIdx.x];
        __syncthreads();
    }
    if (row < M && column < N)
        c[((size_t)blockIdx.z * M + row) * N + column] = s;
}
