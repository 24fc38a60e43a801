/* A warp for each row. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(B,8)"], "block": [32, 8], "args": ["x", "y", "B", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int B, int N)
{
    int r = blockIdx.x * 8 + threadIdx.y;
    if (r >= B)
        return;
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 32)
        s += x[(size_t)r * N + i];
    for (int o = 16; o; o >>= 1)
        s += __shfl_xor_sync(~0u, s, o);
    if (threadIdx.x == 0)
        y[r] = s;
}
