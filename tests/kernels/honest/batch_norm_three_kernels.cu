// spec: kernelbench/level1/033_batchnorm  expect: PASS
/* @plan
{ "scratch": [ { "name": "mean", "dtype": "f32", "count": "C" }, { "name": "rstd", "dtype": "f32", "count": "C" } ],
  "launch": [ { "kernel": "average", "grid": ["C"], "block": [256], "args": ["x", "mean", "B", "C", "H * W"] },
              { "kernel": "spread", "grid": ["C"], "block": [256], "args": ["x", "mean", "rstd", "B", "C", "H * W"] },
              { "kernel": "apply", "grid": ["ceil_div(H * W, 256)", "B * C"], "block": [256],
                "args": ["x", "mean", "rstd", "bn_weight", "bn_bias", "batch_norm0", "C", "H * W"] } ] }
*/
template <class F> __device__ float over_channel(int B, int C, int HW, F f)
{
    __shared__ float s[256];
    float t = 0.f;
    for (int b = 0; b < B; b++)
        for (int i = threadIdx.x; i < HW; i += 256)
            t += f(((size_t)b * C + blockIdx.x) * HW + i);
    s[threadIdx.x] = t;
    __syncthreads();
    for (int h = 128; h; h /= 2) {
        if (threadIdx.x < h)
            s[threadIdx.x] += s[threadIdx.x + h];
        __syncthreads();
    }
    return s[0] / ((float)B * HW);
}
extern "C" __global__ void average(const float *x, float *mean, int B, int C, int HW)
{
    float m = over_channel(B, C, HW, [=](size_t i) { return x[i]; });
    if (threadIdx.x == 0)
        mean[blockIdx.x] = m;
}
extern "C" __global__ void spread(const float *x, const float *mean, float *rstd, int B, int C, int HW)
{
    const float m = mean[blockIdx.x];
    float v = over_channel(B, C, HW, [=](size_t i) { return (x[i] - m) * (x[i] - m); });
    if (threadIdx.x == 0)
        rstd[blockIdx.x] = rsqrtf(v + 1e-5f);
}
extern "C" __global__ void apply(const float *x, const float *mean, const float *rstd, const float *w, const float *b,
                                 float *y, int C, int HW)
{
    int i = blockIdx.x * 256 + threadIdx.x, c = blockIdx.y % C;
    if (i < HW)
        y[(size_t)blockIdx.y * HW + i] = (x[(size_t)blockIdx.y * HW + i] - mean[c]) * (rstd[c] * w[c]) + b[c];
}
