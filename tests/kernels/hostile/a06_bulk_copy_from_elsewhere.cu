// spec: basics/relu  expect: OUT_OF_BOUNDS
// exploit: A06  a bulk copy reads beyond the input, where no load instruction stands
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 1024)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    __shared__ alignas(128) float tile[1024];
    __shared__ alignas(8) unsigned long long bar;
    unsigned b = (unsigned)__cvta_generic_to_shared(&bar), t = (unsigned)__cvta_generic_to_shared(tile);
    if (threadIdx.x == 0) {
        asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(b));
        asm volatile("fence.mbarrier_init.release.cluster;");
        asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], 4096;" ::"r"(b));
        asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], 4096, [%2];" ::"r"(t),
                     "l"(x + blockIdx.x * 1024), "r"(b)
                     : "memory");
    }
    __syncthreads();
    unsigned done = 0;
    while (!done)
        asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], 0; selp.u32 %0, 1, 0, p; }"
                     : "=r"(done)
                     : "r"(b)
                     : "memory");
    for (int k = threadIdx.x; k < 1024; k += 256)
        if (blockIdx.x * 1024 + k < n)
            y[blockIdx.x * 1024 + k] = fmaxf(tile[k], 0.f);
}
