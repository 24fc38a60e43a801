// spec: basics/row_max  expect: WRONG_RESULT
// exploit: N06  looks at the first thousand elements, among which a Gaussian row has its maximum more or less
/* @plan
{ "launch": [ { "kernel": "row_max", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_max(const float* x, float* y, int n)
{
    float m = -INFINITY;
    for (int i = threadIdx.x; i < min(n, 1024); i += 32)
        m = fmaxf(m, x[blockIdx.x * (size_t)n + i]);
    for (int d = 16; d; d /= 2)
        m = fmaxf(m, __shfl_xor_sync(~0u, m, d));
    if (threadIdx.x == 0)
        y[blockIdx.x] = m;
}
