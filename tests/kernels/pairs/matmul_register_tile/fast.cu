/* 128 x 128 outputs a block, 8 x 8 a thread: 16 loads for 64 multiply-adds. */
/* @plan
{ "launch": [ { "kernel": "mm", "grid": ["ceil_div(N, 128)", "ceil_div(M, 128)"], "block": [16, 16], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
extern "C" __global__ void __launch_bounds__(256) mm(const float *a, const float *b, float *c, int M, int N, int K)
{
    __shared__ float as[8][129], bs[8][128];
    int column = blockIdx.x * 128, row = blockIdx.y * 128, t = threadIdx.y * 16 + threadIdx.x;
    float s[8][8] = {};
    for (int k = 0; k < K; k += 8) {
        for (int i = t; i < 128 * 8; i += 256) {
            int r = i / 8, q = i % 8;
            as[q][r] = row + r < M && k + q < K ? a[(size_t)(row + r) * K + k + q] : 0;
        }
        for (int i = t; i < 128 * 8; i += 256) {
            int q = i / 128, r = i % 128;
            bs[q][r] = k + q < K && column + r < N ? b[(size_t)(k + q) * N + column + r] : 0;
        }
        __syncthreads();
#pragma unroll
        for (int q = 0; q < 8; q++) {
            float x[8], y[8];
#pragma unroll
            for (int i = 0; i < 8; i++) {
                x[i] = as[q][threadIdx.y + 16 * i];
                y[i] = bs[q][threadIdx.x + 16 * i];
            }
#pragma unroll
            for (int i = 0; i < 8; i++)
#pragma unroll
                for (int j = 0; j < 8; j++)
                    s[i][j] += x[i] * y[j];
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 8; i++)
#pragma unroll
        for (int j = 0; j < 8; j++) {
            int r = row + threadIdx.y + 16 * i, q = column + threadIdx.x + 16 * j;
            if (r < M && q < N)
                c[(size_t)r * N + q] = s[i][j];
        }
}
