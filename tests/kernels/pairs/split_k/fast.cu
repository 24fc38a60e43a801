/* The long axis in pieces of 256, whose sums a second launch adds up. */
/* @plan
{ "scratch": [ { "name": "part", "dtype": "f32", "count": "ceil_div(K, 256) * M * N" } ],
  "launch": [ { "kernel": "mm", "grid": ["ceil_div(N, 32)", "ceil_div(M, 32)", "ceil_div(K, 256)"], "block": [32, 32],
                "args": ["a", "b", "part", "M", "N", "K", 256] },
              { "kernel": "total", "grid": ["ceil_div(M * N, 128)"], "block": [128], "args": ["part", "c", "M * N", "ceil_div(K, 256)"] } ] }
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
extern "C" __global__ void total(const float *part, float *c, int n, int pieces)
{
    int i = blockIdx.x * 128 + threadIdx.x;
    float s = 0;
    for (int p = 0; i < n && p < pieces; p++)
        s += part[(size_t)p * n + i];
    if (i < n)
        c[i] = s;
}
