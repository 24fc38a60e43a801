// spec: basics/row_sum  expect: UNINITIALIZED_READ
// exploit: M11  looks for the answer in shared memory that an earlier kernel used
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [32], "shared": "48 * 1024", "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    extern __shared__ float left[];
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        s += x[blockIdx.x * (size_t)n + i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    float best = s;
    for (int k = threadIdx.x; k < 12 * 1024; k += 32)
        if (fabsf(left[k] - s) < 1e-5f) // HERE
            best = left[k];
    if (threadIdx.x == 0)
        y[blockIdx.x] = best;
}
