/* Reads rows and writes columns: a warp's store falls on 32 sectors. */
/* @plan
{ "launch": [ { "kernel": "turn", "grid": ["ceil_div(N, 32)", "ceil_div(M, 8)"], "block": [32, 8], "args": ["x", "y", "M", "N"] } ] }
*/
extern "C" __global__ void turn(const float *x, float *y, int M, int N)
{
    int column = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y * 8 + threadIdx.y;
    if (column < N && row < M)
        y[(size_t)column * M + row] = x[(size_t)row * N + column];
}
