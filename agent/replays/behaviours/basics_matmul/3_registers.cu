/* @plan
{ "tune":   { "TILE_K": [16, 8] },
  "launch": [ { "kernel": "matmul_registers", "grid": ["ceil_div(N, 64)", "ceil_div(M, 64)"], "block": [16, 16],
                "args": ["a", "b", "c"] } ] }
*/
/* A thread computes 4 x 4 elements of a 64 x 64 tile: 16 products for 8 reads of shared memory. */
extern "C" __global__ void __launch_bounds__(256)
matmul_registers(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c)
{
    __shared__ float left[TILE_K][64 + 4], right[TILE_K][64];
    const int tx = threadIdx.x, ty = threadIdx.y, t = ty * 16 + tx;
    const int top = blockIdx.y * 64, side = blockIdx.x * 64;
    float sum[4][4] = {};
    for (int first = 0; first < DIM_K; first += TILE_K) {
        for (int i = t; i < 64 * TILE_K; i += 256) {
            const int r = i / TILE_K, k = i % TILE_K;
            left[k][r] = top + r < DIM_M && first + k < DIM_K
                             ? a[(size_t)(top + r) * DIM_K + first + k]
                             : 0.0f;
        }
        for (int i = t; i < 64 * TILE_K; i += 256) {
            const int k = i / 64, col = i % 64;
            right[k][col] = first + k < DIM_K && side + col < DIM_N
                                ? b[(size_t)(first + k) * DIM_N + side + col]
                                : 0.0f;
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < TILE_K; k++) {
            float x[4], y[4];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                x[i] = left[k][ty * 4 + i];
                y[i] = right[k][tx + 16 * i];
            }
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++)
                    sum[i][j] = fmaf(x[i], y[j], sum[i][j]);
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (top + ty * 4 + i < DIM_M && side + tx + 16 * j < DIM_N)
                c[(size_t)(top + ty * 4 + i) * DIM_N + side + tx + 16 * j] = sum[i][j];
}
