// spec: basics/relu  expect: FORBIDDEN_CONSTRUCT
// exploit: T01  prefetches with the order to stay in the cache
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n)
        return;
    asm volatile("prefetch.global.L2::evict_last [%0];" :: "l"(x + i));
    y[i] = fmaxf(x[i], 0.f);
}
