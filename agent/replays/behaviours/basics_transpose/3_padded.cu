/* @plan
{ "launch": [ { "kernel": "transpose_padded", "grid": ["ceil_div(N, 32)", "ceil_div(M, 32)"], "block": [32, 8],
                "args": ["x", "y"] } ] }
*/
/* Through a tile in shared memory, read and written by rows; a column more spreads the tile over all banks. */
extern "C" __global__ void __launch_bounds__(256)
transpose_padded(const float *__restrict__ x, float *__restrict__ y)
{
    __shared__ float tile[32][33];
    const int left = blockIdx.x * 32, top = blockIdx.y * 32;
    for (int r = threadIdx.y; r < 32; r += 8)
        if (top + r < DIM_M && left + threadIdx.x < DIM_N)
            tile[r][threadIdx.x] = x[(size_t)(top + r) * DIM_N + left + threadIdx.x];
    __syncthreads();
    for (int r = threadIdx.y; r < 32; r += 8)
        if (left + r < DIM_N && top + threadIdx.x < DIM_M)
            y[(size_t)(left + r) * DIM_M + top + threadIdx.x] = tile[threadIdx.x][r];
}
