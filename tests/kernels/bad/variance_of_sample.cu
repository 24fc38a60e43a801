// spec: basics/layer_norm  expect: WRONG_RESULT
/* @plan
{
  "launch": [
    { "kernel": "ln", "grid": ["B"], "block": [32],
      "args": ["x", "gamma", "beta", "y", "N"] } ] }
*/
extern "C" __global__ void ln(const float* x, const float* g, const float* b, float* y, int N) {
    const float* r = x + blockIdx.x * N;
    float s = 0, q = 0;
    for (int i = threadIdx.x; i < N; i += 32) s += r[i];
    for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(~0u, s, o);
    float m = s / N;
    for (int i = threadIdx.x; i < N; i += 32) q += (r[i] - m) * (r[i] - m);
    for (int o = 16; o; o >>= 1) q += __shfl_xor_sync(~0u, q, o);
    float is = rsqrtf(q / (N - 1) + 1e-5f);
    for (int i = threadIdx.x; i < N; i += 32) y[blockIdx.x * N + i] = (r[i] - m) * is * g[i] + b[i];
}
