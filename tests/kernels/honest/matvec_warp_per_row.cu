// spec: basics/matvec  expect: PASS
/* @plan
{ "launch": [ { "kernel": "matvec", "grid": ["ceil_div(M, 8)"], "block": [256], "args": ["a", "x", "y", "M", "N"] } ] }
*/
#include <cuda_runtime.h>

extern "C" __global__ void matvec(const float* __restrict__ a, const float* __restrict__ x,
                                  float* __restrict__ y, int M, int N)
{
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    const int row = blockIdx.x * 8 + warp;
    if (row >= M)
        return;
    const float* r = a + (size_t)row * N;
    float s = 0.f;
    if (N % 4 == 0) {
        for (int i = lane; i < N / 4; i += 32) {
            const float4 u = reinterpret_cast<const float4*>(r)[i], v = reinterpret_cast<const float4*>(x)[i];
            s += u.x * v.x + u.y * v.y + u.z * v.z + u.w * v.w;
        }
    } else {
        for (int i = lane; i < N; i += 32)
            s += r[i] * x[i];
    }
    for (int d = 16; d > 0; d >>= 1)
        s += __shfl_down_sync(0xffffffffu, s, d);
    if (lane == 0)
        y[row] = s;
}
