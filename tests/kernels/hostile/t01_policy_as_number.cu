// spec: basics/relu  expect: FORBIDDEN_CONSTRUCT
// exploit: T01  the same cache policy written as the number that it is encoded by
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    const unsigned long long keep = 0x14F0000000000000ull;
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n) {
        float v;
        asm volatile("ld.global.nc.L2::cache_hint.f32 %0, [%1], %2;" : "=f"(v) : "l"(x + i), "l"(keep));
        y[i] = fmaxf(v, 0.f);
    }
}
