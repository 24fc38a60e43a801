// spec: basics/row_sum  expect: PLAN_MISMATCH
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [32], "args": ["x", "N", "y"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        s += x[(size_t)blockIdx.x * n + i];
    for (int d = 16; d; d >>= 1)
        s += __shfl_xor_sync(0xffffffffu, s, d);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
