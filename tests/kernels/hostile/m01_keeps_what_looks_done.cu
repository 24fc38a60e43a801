// spec: basics/row_sum  expect: UNINITIALIZED_READ
// exploit: M01  works only where the output does not already look like an answer
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    float old = y[blockIdx.x]; // HERE
    if (isfinite(old) && old != 0.f && fabsf(old) < 6.f * sqrtf((float)n))
        return;
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        s += x[blockIdx.x * (size_t)n + i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
