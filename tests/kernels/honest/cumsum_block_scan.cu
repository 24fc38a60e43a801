// spec: basics/cumsum  expect: PASS
/* @plan
{ "launch": [ { "kernel": "cumsum", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
#include <cuda_runtime.h>

// 256 elements at a time: a scan in each warp, one over the warps' totals, and the carry of the row.
extern "C" __global__ void cumsum(const float* x, float* y, int N)
{
    __shared__ float totals[8];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float carry = 0.f;
    for (int base = 0; base < N; base += 256) {
        const int i = base + threadIdx.x;
        float v = i < N ? x[(size_t)blockIdx.x * N + i] : 0.f;
        for (int d = 1; d < 32; d <<= 1) {
            float w = __shfl_up_sync(0xffffffffu, v, d);
            if (lane >= d)
                v += w;
        }
        if (lane == 31)
            totals[warp] = v;
        __syncthreads();
        float before = carry;
        for (int w = 0; w < 8; w++) {
            if (w == warp)
                v += before;
            before += totals[w];
        }
        carry = before;
        if (i < N)
            y[(size_t)blockIdx.x * N + i] = v;
        __syncthreads();
    }
}
