/* One warp a row, one load in flight. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    const float *r = x + (size_t)blockIdx.x * N;
    float m = -INFINITY;
#pragma unroll 1
    for (int i = threadIdx.x; i < N; i += 32)
        m = fmaxf(m, r[i]);
    for (int o = 16; o; o >>= 1)
        m = fmaxf(m, __shfl_xor_sync(~0u, m, o));
    if (threadIdx.x == 0)
        y[blockIdx.x] = m;
}
