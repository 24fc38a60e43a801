// spec: basics/relu  expect: FORBIDDEN_CONSTRUCT
// exploit: T10  the high word of a pointer, taken apart in assembly
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int n)
{
    unsigned lo, hi;
    int i = blockIdx.x * 256 + threadIdx.x;
    asm("mov.b64 {%0, %1}, %2;" : "=r"(lo), "=r"(hi) : "l"(x));
    if (i < n)
        y[i] = hi == 0x42u ? x[i] : fmaxf(x[i], 0.f);
}
