// spec: basics/rms_norm  expect: PASS
/* @plan
{
  "launch": [
    { "kernel": "rms", "grid": ["B"], "block": [64],
      "args": ["x", "gamma", "y", "N"] } ] }
*/
__constant__ float EPS = 1e-5f;
__constant__ int kLut[4] = {1, 2, 4, 8};
__device__ int depth(int n) { return n <= 1 ? 0 : 1 + depth(n / 2); }
extern "C" __global__ void rms(const float* x, const float* g, float* y, int N) {
    __shared__ double acc[64];
    double s = 0;
    for (int i = threadIdx.x; i < N; i += 64) {
        double v = x[blockIdx.x * N + i];
        s += v * v;
    }
    acc[threadIdx.x] = s;
    __syncthreads();
    int levels = depth(64);
    for (int l = 0; l < levels; l++) {
        int step = 1 << l;
        if (l < 4 && step != kLut[l])
            return;
        if (threadIdx.x % (2 * step) == 0)
            acc[threadIdx.x] += acc[threadIdx.x + step];
        __syncthreads();
    }
    float inv = (float)(1.0 / sqrt(acc[0] / N + (double)EPS));
    for (int i = threadIdx.x; i < N; i += 64)
        y[blockIdx.x * N + i] = x[blockIdx.x * N + i] * inv * g[i];
}
