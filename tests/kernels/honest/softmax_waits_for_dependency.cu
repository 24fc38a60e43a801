// spec: basics/softmax  expect: PASS
// Two launches that speak of programmatic launches, which here follow each other as usual.
/* @plan
{ "scratch": [ { "name": "stat", "dtype": "f32", "count": "2 * B" } ],
  "launch": [ { "kernel": "stats", "grid": ["B"], "block": [128], "args": ["x", "stat", "N"] },
              { "kernel": "scale", "grid": ["ceil_div(N, 256)", "B"], "block": [256], "args": ["x", "stat", "y", "N"] } ] }
*/
extern "C" __global__ void stats(const float* x, float* stat, int n)
{
    __shared__ float pm[4], ps[4];
    const float* row = x + (size_t)blockIdx.x * n;
    float m = -INFINITY, s = 0;
    for (int i = threadIdx.x; i < n; i += 128) {
        float v = row[i], top = fmaxf(m, v);
        s = s * __expf(m - top) + __expf(v - top);
        m = top;
    }
    cudaTriggerProgrammaticLaunchCompletion();
    for (int d = 16; d; d /= 2) {
        float om = __shfl_xor_sync(~0u, m, d), os = __shfl_xor_sync(~0u, s, d), top = fmaxf(m, om);
        s = (m == -INFINITY ? 0.f : s * __expf(m - top)) + (om == -INFINITY ? 0.f : os * __expf(om - top));
        m = top;
    }
    if (threadIdx.x % 32 == 0) {
        pm[threadIdx.x / 32] = m;
        ps[threadIdx.x / 32] = s;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        m = fmaxf(fmaxf(pm[0], pm[1]), fmaxf(pm[2], pm[3]));
        s = 0;
        for (int w = 0; w < 4; w++)
            s += pm[w] == -INFINITY ? 0.f : ps[w] * __expf(pm[w] - m);
        stat[2 * blockIdx.x] = m;
        stat[2 * blockIdx.x + 1] = 1.f / s;
    }
}
extern "C" __global__ void scale(const float* x, const float* stat, float* y, int n)
{
    const int i = blockIdx.x * 256 + threadIdx.x;
    cudaGridDependencySynchronize();
    if (i < n)
        y[(size_t)blockIdx.y * n + i] = __expf(x[(size_t)blockIdx.y * n + i] - stat[2 * blockIdx.y]) * stat[2 * blockIdx.y + 1];
}
