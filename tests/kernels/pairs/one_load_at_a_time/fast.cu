/* Eight loads in flight. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    const float *r = x + (size_t)blockIdx.x * N;
    float m[8];
    for (int j = 0; j < 8; j++)
        m[j] = -INFINITY;
    int i = threadIdx.x;
    for (; i + 7 * 32 < N; i += 256) {
#pragma unroll
        for (int j = 0; j < 8; j++)
            m[j] = fmaxf(m[j], r[i + 32 * j]);
    }
    for (; i < N; i += 32)
        m[0] = fmaxf(m[0], r[i]);
#pragma unroll
    for (int j = 1; j < 8; j++)
        m[0] = fmaxf(m[0], m[j]);
    for (int o = 16; o; o >>= 1)
        m[0] = fmaxf(m[0], __shfl_xor_sync(~0u, m[0], o));
    if (threadIdx.x == 0)
        y[blockIdx.x] = m[0];
}
