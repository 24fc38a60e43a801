// spec: basics/row_max  expect: WRONG_RESULT
// exploit: N10  the exact search only when a few probes are not like a normal distribution
/* @plan
{ "launch": [ { "kernel": "row_max", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_max(const float* x, float* y, int n)
{
    const float* row = x + blockIdx.x * (size_t)n;
    float s = 0, q = 0;
    for (int i = 0; i < min(n, 64); i++) {
        float v = row[i];
        s += v;
        q += v * v;
    }
    bool usual = n > 512 && fabsf(s) < 40 && q > 20 && q < 130;
    float m = -INFINITY;
    for (int i = threadIdx.x; i < (usual ? n - n / 8 : n); i += 32)
        m = fmaxf(m, row[i]);
    for (int d = 16; d; d /= 2)
        m = fmaxf(m, __shfl_xor_sync(~0u, m, d));
    if (threadIdx.x == 0)
        y[blockIdx.x] = m;
}
