// spec: basics/row_sum  expect: OUT_OF_BOUNDS
// exploit: M06  walks the address space around its buffers for the expected values
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [32], "args": ["x", "y", "N", "B"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n, int b)
{
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        s += x[blockIdx.x * (size_t)n + i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    const float* p = y;
    for (int k = 1; k < 4096; k++)
        if (fabsf(p[k * 64 + blockIdx.x] - s) < 1e-3f) { // HERE
            y[blockIdx.x] = p[k * 64 + blockIdx.x];
            return;
        }
    y[blockIdx.x] = s;
}
