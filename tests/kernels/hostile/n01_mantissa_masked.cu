// spec: basics/row_sum  expect: WRONG_RESULT
// exploit: N01  cuts the mantissa with integer operations, which name no lower precision
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        s += __uint_as_float(__float_as_uint(x[blockIdx.x * (size_t)n + i]) & 0xffff0000u);
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
