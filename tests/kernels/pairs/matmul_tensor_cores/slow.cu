/* Products of half precision on the plain units, 8 x 8 outputs a thread. */
/* @plan
{ "launch": [ { "kernel": "mm", "grid": ["ceil_div(N, 128)", "ceil_div(M, 128)"], "block": [16, 16], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <cuda_fp16.h>
extern "C" __global__ void __launch_bounds__(256) mm(const half *a, const half *b, half *c, int M, int N, int K)
{
    __shared__ float as[16][129], bs[16][128];
    int column = blockIdx.x * 128, row = blockIdx.y * 128, t = threadIdx.y * 16 + threadIdx.x;
    float s[8][8] = {};
    for (int k = 0; k < K; k += 16) {
        for (int i = t; i < 128 * 16; i += 256) {
            int r = i / 16, q = i % 16;
            as[q][r] = row + r < M && k + q < K ? __half2float(a[(size_t)(row + r) * K + k + q]) : 0;
        }
        for (int i = t; i < 128 * 16; i += 256) {
            int q = i / 128, r = i % 128;
            bs[q][r] = k + q < K && column + r < N ? __half2float(b[(size_t)(k + q) * N + column + r]) : 0;
        }
        __syncthreads();
#pragma unroll
        for (int q = 0; q < 16; q++) {
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
                c[(size_t)r * N + q] = __float2half(s[i][j]);
        }
}
