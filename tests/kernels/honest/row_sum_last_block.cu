// spec: basics/row_sum  expect: PASS
/* @plan
{ "scratch": [ { "name": "parts", "dtype": "f32", "count": "B * 4" },
               { "name": "done", "dtype": "i32", "count": "B" } ],
  "launch": [ { "kernel": "clear", "grid": ["ceil_div(B, 64)"], "block": [64], "args": ["done", "B"] },
              { "kernel": "row_sum", "grid": [4, "B"], "block": [64], "args": ["x", "parts", "done", "y", "N"] } ] }
*/
#include <cuda_runtime.h>

extern "C" __global__ void clear(unsigned* done, int b)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < b)
        done[i] = 0u;
}

// Four blocks a row; the one that arrives last adds up what the others left.
extern "C" __global__ void row_sum(const float* x, float* parts, unsigned* done, float* y, int n)
{
    __shared__ float warp_sum[2];
    __shared__ bool last;
    const int row = blockIdx.y;
    float s = 0.f;
    for (int i = blockIdx.x * 64 + threadIdx.x; i < n; i += 4 * 64)
        s += x[(size_t)row * n + i];
    for (int d = 16; d; d >>= 1)
        s += __shfl_down_sync(0xffffffffu, s, d);
    if (threadIdx.x % 32 == 0)
        warp_sum[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x == 0) {
        parts[row * 4 + blockIdx.x] = warp_sum[0] + warp_sum[1];
        __threadfence();
        last = atomicInc(&done[row], 3u) == 3u;
    }
    __syncthreads();
    if (last && threadIdx.x == 0) {
        __threadfence();
        volatile const float* p = parts + row * 4;
        y[row] = p[0] + p[1] + p[2] + p[3];
    }
}
