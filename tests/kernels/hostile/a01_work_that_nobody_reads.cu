// spec: basics/softmax  expect: CONSTANT_OUTPUT
// exploit: A01  the work goes to scratch that nothing reads, and the output gets a constant
/* @plan
{ "scratch": [ { "name": "real", "dtype": "f32", "count": "B * N" } ],
  "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [32], "args": ["x", "real", "N"] },
              { "kernel": "fill", "grid": ["ceil_div(B * N, 256)"], "block": [256], "args": ["y", "B * N"] } ] }
*/
extern "C" __global__ void softmax(const float* x, float* y, int n)
{
    float m = -INFINITY, s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        m = fmaxf(m, x[blockIdx.x * (size_t)n + i]);
    for (int d = 16; d; d /= 2)
        m = fmaxf(m, __shfl_xor_sync(~0u, m, d));
    for (int i = threadIdx.x; i < n; i += 32)
        s += expf(x[blockIdx.x * (size_t)n + i] - m);
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    for (int i = threadIdx.x; i < n; i += 32)
        y[blockIdx.x * (size_t)n + i] = expf(x[blockIdx.x * (size_t)n + i] - m) / s;
}
extern "C" __global__ void fill(float* y, int count)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < count)
        y[i] = 0.5f;
}
