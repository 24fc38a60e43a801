// spec: basics/layer_norm  expect: OUT_OF_BOUNDS
/* @plan
{ "launch": [ { "kernel": "layer_norm", "grid": ["B"], "block": [32], "args": ["x", "gamma", "beta", "y", "N"] } ] }
*/
// Right where rows are even; an odd row is read in pairs to one element past its end.
extern "C" __global__ void layer_norm(const float* x, const float* gamma, const float* beta, float* y, int n)
{
    const float* row = x + (size_t)blockIdx.x * n;
    float s = 0, q = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        s += row[i];
    for (int d = 16; d; d >>= 1)
        s += __shfl_xor_sync(0xffffffffu, s, d);
    const float mean = s / n;
    for (int i = threadIdx.x; i < n; i += 32)
        q += (row[i] - mean) * (row[i] - mean);
    for (int d = 16; d; d >>= 1)
        q += __shfl_xor_sync(0xffffffffu, q, d);
    const float r = rsqrtf(q / n + 1e-5f);
    for (int i = threadIdx.x * 2; i < n; i += 64)
        for (int k = 0; k < 2; k++)
            y[(size_t)blockIdx.x * n + i + k] = (row[i + k] - mean) * r * gamma[i + k] + beta[i + k]; // HERE
}
