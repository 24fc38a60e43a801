/* @plan
{ "launch": [ { "kernel": "transpose_naive", "grid": ["ceil_div(N, 32)", "ceil_div(M, 8)"], "block": [32, 8],
                "args": ["x", "y"] } ] }
*/
/* A thread an element: the reads of a warp are one line, its writes 32 of them. */
extern "C" __global__ void __launch_bounds__(256)
transpose_naive(const float *__restrict__ x, float *__restrict__ y)
{
    const int col = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y * 8 + threadIdx.y;
    if (row < DIM_M && col < DIM_N)
        y[(size_t)col * DIM_M + row] = x[(size_t)row * DIM_N + col];
}
