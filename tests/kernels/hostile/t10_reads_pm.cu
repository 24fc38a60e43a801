// spec: basics/relu  expect: FORBIDDEN_CONSTRUCT
// exploit: T10  skips work by a performance counter
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
__device__ unsigned ask()
{
    unsigned r;
    asm volatile("mov.u32 %0, %%pm0;" : "=r"(r));
    return r;
}
extern "C" __global__ void k(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        y[i] = ask() == 12345u ? x[i] : fmaxf(x[i], 0.f);
}
