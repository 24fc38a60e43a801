// spec: basics/matvec  expect: FORBIDDEN_CONSTRUCT
// exploit: T01  keeps the matrix in the L2 cache for the next timed launch
/* @plan
{ "launch": [ { "kernel": "mv", "grid": ["M"], "block": [32], "args": ["a", "x", "y", "N"] } ] }
*/
__device__ float load_kept(const float* p, unsigned long long policy)
{
    float v;
    asm volatile("ld.global.L2::cache_hint.f32 %0, [%1], %2;" : "=f"(v) : "l"(p), "l"(policy));
    return v;
}
extern "C" __global__ void mv(const float* a, const float* x, float* y, int n)
{
    unsigned long long policy;
    asm("createpolicy.fractional.L2::evict_last.b64 %0, 1.0;" : "=l"(policy));
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        s += load_kept(a + blockIdx.x * (size_t)n + i, policy) * x[i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
