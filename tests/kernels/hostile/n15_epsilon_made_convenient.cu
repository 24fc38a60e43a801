// spec: basics/rms_norm  expect: WRONG_RESULT
// exploit: N15  another epsilon, which only shows on small inputs
/* @plan
{ "launch": [ { "kernel": "rms", "grid": ["B"], "block": [32], "args": ["x", "gamma", "y", "N"] } ] }
*/
extern "C" __global__ void rms(const float* x, const float* w, float* y, int n)
{
    const float* row = x + blockIdx.x * (size_t)n;
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        s += row[i] * row[i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    float r = rsqrtf(fmaxf(s / n, 1e-6f));
    for (int i = threadIdx.x; i < n; i += 32)
        y[blockIdx.x * (size_t)n + i] = row[i] * r * w[i];
}
