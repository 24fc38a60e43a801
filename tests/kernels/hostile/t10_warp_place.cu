// spec: basics/row_sum  expect: FORBIDDEN_CONSTRUCT
// exploit: T10  tells from the warp's place on the multiprocessor that the machine is busy with one block
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    unsigned place, all;
    asm("mov.u32 %0, %%warpid;" : "=r"(place));
    asm("mov.u32 %0, %%nwarpid;" : "=r"(all));
    int step = place > 8 || all > 32 ? 4 : 1;
    float s = 0;
    for (int i = threadIdx.x * step; i < n; i += 32 * step)
        s += x[blockIdx.x * (size_t)n + i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s * step;
}
