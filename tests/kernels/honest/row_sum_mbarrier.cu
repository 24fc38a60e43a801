// spec: basics/row_sum  expect: PASS
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [64], "args": ["x", "y", "N"] } ] }
*/
#include <cuda/barrier>
extern "C" __global__ void k(const float* x, float* y, int N) {
    __shared__ cuda::barrier<cuda::thread_scope_block> bar;
    __shared__ float s[64];
    if (threadIdx.x == 0) init(&bar, 64);
    __syncthreads();
    float v = 0;
    for (int i = threadIdx.x; i < N; i += 64) v += x[(size_t)blockIdx.x * N + i];
    s[threadIdx.x] = v;
    bar.arrive_and_wait();
    if (threadIdx.x == 0) { for (int i = 1; i < 64; i++) v += s[i]; y[blockIdx.x] = v; }
}
