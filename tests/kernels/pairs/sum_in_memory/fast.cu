/* A warp for each row, whose sum is in registers. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(M,4)"], "block": [32, 4], "args": ["a", "x", "y", "M", "N"] } ] }
*/
extern "C" __global__ void k(const float *a, const float *x, float *y, int M, int N)
{
    int m = blockIdx.x * 4 + threadIdx.y;
    if (m >= M)
        return;
    float s = 0;
    for (int n = threadIdx.x; n < N; n += 32)
        s += a[(size_t)m * N + n] * x[n];
    for (int o = 16; o; o >>= 1)
        s += __shfl_xor_sync(~0u, s, o);
    if (threadIdx.x == 0)
        y[m] = s;
}
