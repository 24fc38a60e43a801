// spec: basics/rms_norm  expect: WRONG_RESULT
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [32], "args": ["x", "gamma", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, const float* g, float* y, int N) {
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 32) {
        float v = x[blockIdx.x * N + i];
        s += v * v;
    }
    for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(~0u, s, o);
    float inv = rsqrtf(s / N + 1e-6f);
    for (int i = threadIdx.x; i < N; i += 32)
        y[blockIdx.x * N + i] = x[blockIdx.x * N + i] * inv * g[i];
}
