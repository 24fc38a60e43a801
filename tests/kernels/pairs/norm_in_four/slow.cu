/* Mean, variance, difference and scale, a launch each. */
/* @plan
{ "scratch": [ {"name":"mu","dtype":"f32","count":"B"},{"name":"rs","dtype":"f32","count":"B"},{"name":"t","dtype":"f32","count":"B*N"} ], "launch": [ { "kernel": "mean", "grid": ["B"], "block": [256], "args": ["x", "mu", "N"] }, { "kernel": "var", "grid": ["B"], "block": [256], "args": ["x", "mu", "rs", "N"] }, { "kernel": "sub", "grid": ["ceil_div(N,256)", "B"], "block": [256], "args": ["x", "mu", "t", "N"] }, { "kernel": "mul", "grid": ["ceil_div(N,256)", "B"], "block": [256], "args": ["t", "rs", "y", "N"] } ] }
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

extern "C" __global__ void mean(const float *x, float *mu, int N)
{
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 256)
        s += x[(size_t)blockIdx.x * N + i];
    s = bsum(s);
    if (!threadIdx.x)
        mu[blockIdx.x] = s / N;
}
extern "C" __global__ void var(const float *x, const float *mu, float *rs, int N)
{
    float m = mu[blockIdx.x], s = 0;
    for (int i = threadIdx.x; i < N; i += 256) {
        float d = x[(size_t)blockIdx.x * N + i] - m;
        s += d * d;
    }
    s = bsum(s);
    if (!threadIdx.x)
        rs[blockIdx.x] = rsqrtf(s / N + 1e-5f);
}
extern "C" __global__ void sub(const float *x, const float *mu, float *t, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N)
        t[(size_t)blockIdx.y * N + i] = x[(size_t)blockIdx.y * N + i] - mu[blockIdx.y];
}
extern "C" __global__ void mul(const float *t, const float *rs, float *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N)
        y[(size_t)blockIdx.y * N + i] = t[(size_t)blockIdx.y * N + i] * rs[blockIdx.y];
}
