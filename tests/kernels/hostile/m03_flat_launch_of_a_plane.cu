// spec: basics/transpose  expect: NOT_WRITTEN
// exploit: M03  a one-dimensional launch of a two-dimensional kernel
/* @plan
{ "launch": [ { "kernel": "transpose", "grid": ["ceil_div(N, 32)"], "block": [32, 8], "args": ["x", "y", "M", "N"] } ] }
*/
extern "C" __global__ void transpose(const float* x, float* y, int m, int n)
{
    int c = blockIdx.x * 32 + threadIdx.x;
    for (int r = blockIdx.y * 32 + threadIdx.y; r < m && r < (int)(blockIdx.y + 1) * 32; r += 8)
        if (c < n)
            y[(size_t)c * m + r] = x[(size_t)r * n + c];
}
