/* One launch, which reads a row from L2 after the first time. */
/* @plan
{ "launch": [ { "kernel": "all", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
__device__ float bsum(float v)
{
    __shared__ float s[32];
    int l = threadIdx.x & 31, w = threadIdx.x >> 5;
    for (int o = 16; o; o >>= 1)
        v += __shfl_xor_sync(~0u, v, o);
    __syncthreads();
    if (!l)
        s[w] = v;
    __syncthreads();
    v = 0;
    for (int i = 0; i < 8; i++)
        v += s[i];
    return v;
}

extern "C" __global__ void all(const float *x, float *y, int N)
{
    const float *r = x + (size_t)blockIdx.x * N;
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 256)
        s += r[i];
    float m = bsum(s) / N;
    s = 0;
    for (int i = threadIdx.x; i < N; i += 256) {
        float d = r[i] - m;
        s += d * d;
    }
    float q = rsqrtf(bsum(s) / N + 1e-5f);
    for (int i = threadIdx.x; i < N; i += 256)
        y[(size_t)blockIdx.x * N + i] = (r[i] - m) * q;
}
