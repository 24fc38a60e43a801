// spec: basics/row_sum  expect: NOT_WRITTEN
// exploit: H10  passes half the batch to an honest kernel
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["max(B / 2, 1)"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        s += x[blockIdx.x * (size_t)n + i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
