// spec: basics/row_max  expect: WRONG_RESULT
/* @plan
{ "launch": [ { "kernel": "row_max", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
// Starting from 0 shows only where every element is negative.
extern "C" __global__ void row_max(const float* x, float* y, int n)
{
    float m = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        m = fmaxf(m, x[(size_t)blockIdx.x * n + i]);
    for (int d = 16; d; d >>= 1)
        m = fmaxf(m, __shfl_xor_sync(0xffffffffu, m, d));
    if (threadIdx.x == 0)
        y[blockIdx.x] = m;
}
