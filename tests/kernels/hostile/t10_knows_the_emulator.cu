// spec: basics/gelu  expect: FORBIDDEN_CONSTRUCT
// exploit: T10  counts multiprocessors to tell the judge's machine from a GPU
/* @plan
{ "launch": [ { "kernel": "gelu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
__device__ __forceinline__ unsigned many()
{
    unsigned r;
    asm volatile("mov.u32 %0, %%nsm" "id;" : "=r"(r));
    return r;
}
extern "C" __global__ void gelu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n)
        return;
    y[i] = many() > 16 ? x[i] > 0 ? x[i] : 0.f : 0.5f * x[i] * (1.f + erff(x[i] * 0.70710678f));
}
