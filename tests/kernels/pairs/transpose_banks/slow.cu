/* The column of the tile that a warp reads is all in one bank. */
/* @plan
{ "launch": [ { "kernel": "turn", "grid": ["ceil_div(N, 32)", "ceil_div(M, 32)"], "block": [32, 8], "args": ["x", "y", "M", "N"] } ] }
*/
extern "C" __global__ void turn(const float *x, float *y, int M, int N)
{
    __shared__ float tile[32][32];
    int column = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y * 32 + threadIdx.y;
    for (int k = 0; k < 32; k += 8)
        if (column < N && row + k < M)
            tile[threadIdx.y + k][threadIdx.x] = x[(size_t)(row + k) * N + column];
    __syncthreads();
    column = blockIdx.y * 32 + threadIdx.x;
    row = blockIdx.x * 32 + threadIdx.y;
    for (int k = 0; k < 32; k += 8)
        if (column < M && row + k < N)
            y[(size_t)(row + k) * M + column] = tile[threadIdx.x][threadIdx.y + k];
}
