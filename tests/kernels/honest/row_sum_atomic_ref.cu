// spec: basics/row_sum  expect: PASS
/* @plan
{
  "scratch": [{"name": "tick", "dtype": "u32", "count": "B"}, {"name": "part", "dtype": "f32", "count": "2 * B"}],
  "launch": [
    { "kernel": "clear", "grid": ["ceil_div(B, 64)"], "block": [64],
      "args": ["tick", "B"] },
    { "kernel": "k", "grid": ["B", 2], "block": [32],
      "args": ["x", "y", "tick", "part", "N"] } ] }
*/
#include <cuda/atomic>
extern "C" __global__ void clear(unsigned* t, int B) {
    int i = blockIdx.x * 64 + threadIdx.x;
    if (i < B)
        t[i] = 0;
}
extern "C" __global__ void k(const float* x, float* y, unsigned* tick, float* part, int N) {
    float v = 0;
    for (int i = blockIdx.y * 32 + threadIdx.x; i < N; i += 64) v += x[(size_t)blockIdx.x * N + i];
    for (int o = 16; o; o >>= 1) v += __shfl_xor_sync(~0u, v, o);
    if (threadIdx.x == 0) {
        part[blockIdx.x * 2 + blockIdx.y] = v;
        cuda::atomic_ref<unsigned, cuda::thread_scope_device> t(tick[blockIdx.x]);
        if (t.fetch_add(1, cuda::memory_order_acq_rel) == 1)
            y[blockIdx.x] = part[blockIdx.x * 2] + part[blockIdx.x * 2 + 1];
    }
}
