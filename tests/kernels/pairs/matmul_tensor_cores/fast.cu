/* The same tile of a block on tensor cores: a warp has 32 x 64 outputs in 8 fragments. */
/* @plan
{ "launch": [ { "kernel": "mm", "grid": ["ceil_div(N, 128)", "ceil_div(M, 128)"], "block": [256], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <cuda_fp16.h>
#include <mma.h>
using namespace nvcuda;
extern "C" __global__ void __launch_bounds__(256) mm(const half *a, const half *b, half *c, int M, int N, int K)
{
    __shared__ half as[128][40], bs[32][136];
    __shared__ float out[8][16][20];
    int column = blockIdx.x * 128, row = blockIdx.y * 128, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int wr = warp / 2 * 32, wc = warp % 2 * 64;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> s[2][4];
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            wmma::fill_fragment(s[i][j], 0.0f);
    const half zero = __float2half(0.0f);
    for (int k = 0; k < K; k += 32) {
        for (int i = threadIdx.x; i < 128 * 32; i += 256) {
            int r = i / 32, q = i % 32;
            as[r][q] = row + r < M && k + q < K ? a[(size_t)(row + r) * K + k + q] : zero;
        }
        for (int i = threadIdx.x; i < 128 * 32; i += 256) {
            int q = i / 128, r = i % 128;
            bs[q][r] = k + q < K && column + r < N ? b[(size_t)(k + q) * N + column + r] : zero;
        }
        __syncthreads();
#pragma unroll
        for (int q = 0; q < 32; q += 16) {
            wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> x[2];
            wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> y[4];
            for (int i = 0; i < 2; i++)
                wmma::load_matrix_sync(x[i], &as[wr + 16 * i][q], 40);
            for (int j = 0; j < 4; j++)
                wmma::load_matrix_sync(y[j], &bs[q][wc + 16 * j], 136);
            for (int i = 0; i < 2; i++)
                for (int j = 0; j < 4; j++)
                    wmma::mma_sync(s[i][j], x[i], y[j], s[i][j]);
        }
        __syncthreads();
    }
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++) {
            wmma::store_matrix_sync(&out[warp][0][0], s[i][j], 20, wmma::mem_row_major);
            __syncwarp();
            for (int e = lane; e < 256; e += 32) {
                int r = row + wr + 16 * i + e / 16, q = column + wc + 16 * j + e % 16;
                if (r < M && q < N)
                    c[(size_t)r * N + q] = __float2half(out[warp][e / 16][e % 16]);
            }
            __syncwarp();
        }
}
