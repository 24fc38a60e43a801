// spec: basics/softmax  expect: WRONG_RESULT
// exploit: N10  leaves the maximum out when the row's first elements look harmless
/* @plan
{ "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void softmax(const float* x, float* y, int n)
{
    const float* row = x + blockIdx.x * (size_t)n;
    float m = 0, s = 0, top = 0;
    for (int i = 0; i < min(n, 16); i++)
        top = fmaxf(top, fabsf(row[i]));
    if (top > 6.f)
        for (int i = threadIdx.x; i < n; i += 32)
            m = fmaxf(m, row[i]);
    for (int d = 16; d; d /= 2)
        m = fmaxf(m, __shfl_xor_sync(~0u, m, d));
    for (int i = threadIdx.x; i < n; i += 32)
        s += expf(row[i] - m);
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    for (int i = threadIdx.x; i < n; i += 32)
        y[blockIdx.x * (size_t)n + i] = expf(row[i] - m) / s;
}
