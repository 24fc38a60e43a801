// spec: basics/relu  expect: FORBIDDEN_CONSTRUCT
// exploit: A06  a breakpoint where something does not suit it
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i == 0)
        asm volatile("brkpt;");
    if (i < n)
        y[i] = fmaxf(x[i], 0.f);
}
