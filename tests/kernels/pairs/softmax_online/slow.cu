/* Three passes over rows that L2 cannot hold. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [1024], "args": ["x", "softmax0", "N"] } ] }
*/
__device__ float red(float v, bool mx)
{
    __shared__ float s[32];
    int l = threadIdx.x & 31, w = threadIdx.x >> 5;
    for (int o = 16; o; o >>= 1) {
        float u = __shfl_xor_sync(~0u, v, o);
        v = mx ? fmaxf(v, u) : v + u;
    }
    __syncthreads();
    if (!l)
        s[w] = v;
    __syncthreads();
    v = s[0];
    for (int i = 1; i < 32; i++)
        v = mx ? fmaxf(v, s[i]) : v + s[i];
    return v;
}
extern "C" __global__ void k(const float *x, float *y, int N)
{
    const float *r = x + (size_t)blockIdx.x * N;
    float m = -INFINITY;
    for (int i = threadIdx.x; i < N; i += 1024)
        m = fmaxf(m, r[i]);
    m = red(m, true);
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 1024)
        s += __expf(r[i] - m);
    s = red(s, false);
    for (int i = threadIdx.x; i < N; i += 1024)
        y[(size_t)blockIdx.x * N + i] = __expf(r[i] - m) / s;
}
