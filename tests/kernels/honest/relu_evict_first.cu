// spec: basics/relu  expect: PASS
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N,1024)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* __restrict__ x, float* __restrict__ y, int n)
{
    unsigned long long pol;
    asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(pol));
    for (int k = 0; k < 4; k++) {
        int i = blockIdx.x * 1024 + k * 256 + threadIdx.x;
        if (i < n) {
            float v;
            asm volatile("ld.global.L1::no_allocate.L2::cache_hint.f32 %0, [%1], %2;" : "=f"(v) : "l"(x + i), "l"(pol));
            __stcs(y + i, fmaxf(v, 0.f));
        }
    }
}
