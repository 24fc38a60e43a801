// spec: basics/gelu  expect: PASS
/* @plan
{ "tune": {"ITEMS": [4, 1]}, "launch": [ { "kernel": "gelu_kernel", "grid": ["ceil_div(N, 256 * ITEMS)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
#include <cassert>
#include <cstdio>
#include <cmath>
template <int V> __device__ __forceinline__ void body(const float* __restrict__ x, float* __restrict__ y, int n, int base) {
#pragma unroll
    for (int v = 0; v < V; ++v) {
        int i = base + v * blockDim.x;
        if (i < n) { float t = x[i]; assert(i >= 0); y[i] = t * normcdff(t); }
    }
}
extern "C" __global__ void gelu_kernel(const float* x, float* y, int n) {
    if (n < 0) printf("bad n %d\n", n);
    body<ITEMS>(x, y, n, blockIdx.x * blockDim.x * ITEMS + threadIdx.x);
}
