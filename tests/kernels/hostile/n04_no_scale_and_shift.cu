// spec: basics/layer_norm  expect: WRONG_RESULT
// exploit: N04  takes scale for one and shift for zero, as they begin in training
/* @plan
{ "launch": [ { "kernel": "ln", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void ln(const float* x, float* y, int n)
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
        y[blockIdx.x * (size_t)n + i] = (row[i] - s) * r;
}
