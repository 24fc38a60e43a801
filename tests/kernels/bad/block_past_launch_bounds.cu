// spec: basics/row_sum  expect: INVALID_LAUNCH
/* @plan
{
  "launch": [
    { "kernel": "k", "grid": ["B"], "block": ["min(1024, max(32, N / 8))"],
      "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void __launch_bounds__(512) k(const float* x, float* y, int N) {
    __shared__ float s[1024];
    float v = 0;
    for (int i = threadIdx.x; i < N; i += blockDim.x) v += x[(size_t)blockIdx.x * N + i];
    s[threadIdx.x] = v;
    __syncthreads();
    if (threadIdx.x == 0) {
        v = 0;
        for (int i = 0; i < blockDim.x; i++) v += s[i];
        y[blockIdx.x] = v;
    }
}
