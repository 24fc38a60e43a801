/* Maximum and sum in one pass. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [1024], "args": ["x", "softmax0", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    const float *r = x + (size_t)blockIdx.x * N;
    float m = -INFINITY, s = 0;
    for (int i = threadIdx.x; i < N; i += 1024) {
        float v = r[i];
        if (v > m) {
            s = s * __expf(m - v) + 1.f;
            m = v;
        } else
            s += __expf(v - m);
    }
    __shared__ float sm[32], ss[32];
    for (int o = 16; o; o >>= 1) {
        float m2 = __shfl_xor_sync(~0u, m, o), s2 = __shfl_xor_sync(~0u, s, o);
        float M = fmaxf(m, m2);
        s = (m == -INFINITY ? 0.f : s * __expf(m - M)) +
            (m2 == -INFINITY ? 0.f : s2 * __expf(m2 - M));
        m = M;
    }
    if (threadIdx.x % 32 == 0) {
        sm[threadIdx.x / 32] = m;
        ss[threadIdx.x / 32] = s;
    }
    __syncthreads();
    m = -INFINITY;
    for (int i = 0; i < 32; i++)
        m = fmaxf(m, sm[i]);
    s = 0;
    for (int i = 0; i < 32; i++)
        s += sm[i] == -INFINITY ? 0.f : ss[i] * __expf(sm[i] - m);
    for (int i = threadIdx.x; i < N; i += 1024)
        y[(size_t)blockIdx.x * N + i] = __expf(r[i] - m) / s;
}
