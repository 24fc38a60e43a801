// spec: basics/cross_entropy  expect: PASS
// A warp a row, online; the mean by a second launch in a fixed order.
/* @plan
{ "scratch": [ { "name": "part", "dtype": "f32", "count": "B" } ],
  "launch": [ { "kernel": "rows", "grid": ["ceil_div(B, 4)"], "block": [128], "args": ["x", "t", "part", "B", "C"] },
              { "kernel": "mean", "grid": [1], "block": [256], "args": ["part", "loss", "B"] } ] }
*/
extern "C" __global__ void rows(const float* x, const long long* t, float* part, int b, int c)
{
    const int r = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (r >= b)
        return;
    const float* row = x + (size_t)r * c;
    float m = -INFINITY, s = 0;
    for (int i = lane; i < c; i += 32) {
        float v = row[i], top = fmaxf(m, v);
        s = s * __expf(m - top) + __expf(v - top);
        m = top;
    }
    for (int d = 16; d; d /= 2) {
        float om = __shfl_xor_sync(~0u, m, d), os = __shfl_xor_sync(~0u, s, d), top = fmaxf(m, om);
        s = top == -INFINITY ? 0.f : s * __expf(m - top) + os * __expf(om - top);
        m = top;
    }
    if (lane == 0)
        part[r] = logf(s) + m - row[t[r]];
}
extern "C" __global__ void mean(const float* part, float* loss, int b)
{
    __shared__ float sum[256];
    float s = 0;
    for (int i = threadIdx.x; i < b; i += 256)
        s += part[i];
    sum[threadIdx.x] = s;
    __syncthreads();
    for (int d = 128; d; d /= 2) {
        if (threadIdx.x < d)
            sum[threadIdx.x] += sum[threadIdx.x + d];
        __syncthreads();
    }
    if (threadIdx.x == 0)
        loss[0] = sum[0] / b;
}
