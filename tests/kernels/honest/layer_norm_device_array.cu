// spec: basics/layer_norm  expect: PASS
/* @plan
{
  "launch": [
    { "kernel": "stats", "grid": ["B"], "block": [64],
      "args": ["x", "N"] },
    { "kernel": "apply", "grid": ["ceil_div(B * N, 256)"], "block": [256],
      "args": ["x", "gamma", "beta", "y", "N", "B * N"] } ] }
*/
__device__ float2 g_stats[DIM_B];
extern "C" __global__ void stats(const float* x, int N) {
    __shared__ float2 s[64];
    float a = 0, q = 0;
    float c = x[(size_t)blockIdx.x * N];
    for (int i = threadIdx.x; i < N; i += 64) {
        float v = x[(size_t)blockIdx.x * N + i] - c;
        a += v;
        q = fmaf(v, v, q);
    }
    s[threadIdx.x] = make_float2(a, q);
    __syncthreads();
    for (int o = 32; o; o >>= 1) {
        if (threadIdx.x < o) {
            s[threadIdx.x].x += s[threadIdx.x + o].x;
            s[threadIdx.x].y += s[threadIdx.x + o].y;
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        float m = s[0].x / N;
        g_stats[blockIdx.x] = make_float2(m + c, rsqrtf(fmaxf(s[0].y / N - m * m, 0.f) + 1e-5f));
    }
}
extern "C" __global__ void apply(const float* x, const float* g, const float* b, float* y, int N,
                                 int total) {
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < total) {
        float2 s = g_stats[i / N];
        y[i] = (x[i] - s.x) * s.y * g[i % N] + b[i % N];
    }
}
