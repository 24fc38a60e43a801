// spec: kernelbench/level1/095_crossentropyloss  expect: PASS
/* @plan
{ "scratch": [ { "name": "loss", "dtype": "f64", "count": "B" } ],
  "launch": [ { "kernel": "rows", "grid": ["ceil_div(B, 4)"], "block": [32, 4], "args": ["predictions", "targets", "loss", "B", "N"] },
              { "kernel": "mean", "grid": [1], "block": [256], "args": ["loss", "neg3", "B"] } ] }
*/
extern "C" __global__ void rows(const float* x, const long long* target, double* loss, int B, int N)
{
    int row = blockIdx.x * 4 + threadIdx.y;
    if (row >= B) return;
    const float* p = x + (size_t)row * N;
    float m = -3.4e38f, s = 0.f;
    for (int i = threadIdx.x; i < N; i += 32) {
        float v = p[i];
        if (v > m) {
            s = s * expf(m - v) + 1.f;
            m = v;
        } else {
            s += expf(v - m);
        }
    }
    for (int d = 16; d; d /= 2) {
        float om = __shfl_xor_sync(~0u, m, d), os = __shfl_xor_sync(~0u, s, d), top = fmaxf(m, om);
        s = s * expf(m - top) + os * expf(om - top);
        m = top;
    }
    if (threadIdx.x == 0)
        loss[row] = (double)m + log((double)s) - (double)p[target[row]];
}
extern "C" __global__ void mean(const double* loss, float* out, int B)
{
    __shared__ double t[256];
    double s = 0;
    for (int i = threadIdx.x; i < B; i += 256) s += loss[i];
    t[threadIdx.x] = s;
    for (int h = 128; h; h /= 2) {
        __syncthreads();
        if (threadIdx.x < h) t[threadIdx.x] += t[threadIdx.x + h];
    }
    if (threadIdx.x == 0) *out = (float)(t[0] / B);
}
