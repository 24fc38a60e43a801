// spec: basics/matvec  expect: PASS
// Columns cut into slices that add to zeros with atomics.
/* @plan
{ "launch": [ { "kernel": "zero", "grid": ["ceil_div(M, 256)"], "block": [256], "args": ["y", "M"] },
              { "kernel": "k", "grid": ["ceil_div(N, 2048)", "ceil_div(M, 4)"], "block": [128], "args": ["a", "x", "y", "M", "N"] } ] }
*/
extern "C" __global__ void zero(float* y, int m)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < m)
        y[i] = 0.f;
}
extern "C" __global__ void k(const float* a, const float* x, float* y, int m, int n)
{
    const int row = blockIdx.y * 4 + threadIdx.x / 32, begin = blockIdx.x * 2048, end = min(n, begin + 2048);
    if (row >= m)
        return;
    float s = 0;
    for (int i = begin + threadIdx.x % 32; i < end; i += 32)
        s = fmaf(a[(size_t)row * n + i], x[i], s);
    for (int d = 16; d; d /= 2)
        s += __shfl_down_sync(~0u, s, d);
    if (threadIdx.x % 32 == 0)
        atomicAdd(y + row, s);
}
