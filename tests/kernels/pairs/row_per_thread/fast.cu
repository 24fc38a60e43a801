/* A warp adds up a row. */
/* @plan
{ "launch": [ { "kernel": "sums", "grid": ["ceil_div(B, 8)"], "block": [32, 8], "args": ["x", "y", "B", "N"] } ] }
*/
extern "C" __global__ void sums(const float *x, float *y, int B, int N)
{
    int row = blockIdx.x * 8 + threadIdx.y;
    if (row >= B)
        return;
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 32)
        s += x[(size_t)row * N + i];
    for (int o = 16; o; o /= 2)
        s += __shfl_xor_sync(~0u, s, o);
    if (threadIdx.x == 0)
        y[row] = s;
}
