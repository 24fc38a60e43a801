// spec: basics/vector_add  expect: PASS
/* @plan
{
  "launch": [
    { "kernel": "k", "grid": ["ceil_div(N, 256)"], "block": [256],
      "args": ["a", "b", "c", "N"] } ] }
*/
extern "C" __global__ void k(const float* __restrict__ a, const float* __restrict__ b,
                             float* __restrict__ c, unsigned N) {
    unsigned i;
    asm("mad.lo.u32 %0, %1, %2, %3;"
        : "=r"(i)
        : "r"(blockIdx.x), "r"(blockDim.x), "r"(threadIdx.x));
    if (i >= N)
        return;
    float x, y, r;
    asm volatile("ld.global.nc.f32 %0, [%1];" : "=f"(x) : "l"(a + i));
    asm volatile("ld.global.nc.L1::no_allocate.f32 %0, [%1];" : "=f"(y) : "l"(b + i));
    asm("add.rn.f32 %0, %1, %2;" : "=f"(r) : "f"(x), "f"(y));
    asm volatile("st.global.cs.f32 [%0], %1;" ::"l"(c + i), "f"(r) : "memory");
}
