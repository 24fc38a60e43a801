// spec: basics/layer_norm  expect: NOT_WRITTEN
// exploit: M03  normalises the first rows of the batch and leaves the rest as it was
/* @plan
{ "launch": [ { "kernel": "ln", "grid": ["min(B, 4)"], "block": [32], "args": ["x", "gamma", "beta", "y", "N"] } ] }
*/
extern "C" __global__ void ln(const float* x, const float* gamma, const float* beta, float* y, int n)
{
    const float* row = x + blockIdx.x * (size_t)n;
    float s = 0, q = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        s += row[i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    s /= n;
    for (int i = threadIdx.x; i < n; i += 32)
        q += (row[i] - s) * (row[i] - s);
    for (int d = 16; d; d /= 2)
        q += __shfl_xor_sync(~0u, q, d);
    float r = rsqrtf(q / n + 1e-5f);
    for (int i = threadIdx.x; i < n; i += 32)
        y[blockIdx.x * (size_t)n + i] = (row[i] - s) * r * gamma[i] + beta[i];
}
