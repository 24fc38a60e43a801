// spec: basics/conv2d  expect: PASS
/* @plan
{ "launch": [ { "kernel": "conv2d", "grid": ["ceil_div(W, 16)", "ceil_div(H, 16)", "N * K"], "block": [16, 16],
                "args": ["x", "w", "b", "y", "C", "K", "H", "W"] } ] }
*/
#include <cuda_runtime.h>

// A block computes a 16 x 16 patch of one output channel from an 18 x 18 patch of each input channel.
extern "C" __global__ void conv2d(const float* __restrict__ x, const float* __restrict__ w,
                                  const float* __restrict__ b, float* __restrict__ y, int C, int K, int H, int W)
{
    __shared__ float patch[18][18];
    const int n = blockIdx.z / K, k = blockIdx.z % K;
    const int ox = blockIdx.x * 16 + threadIdx.x, oy = blockIdx.y * 16 + threadIdx.y;
    float sum = b[k];
    for (int c = 0; c < C; ++c) {
        const float* plane = x + ((size_t)n * C + c) * H * W;
        for (int i = threadIdx.y * 16 + threadIdx.x; i < 18 * 18; i += 256) {
            const int iy = blockIdx.y * 16 + i / 18 - 1, ix = blockIdx.x * 16 + i % 18 - 1;
            patch[i / 18][i % 18] = iy >= 0 && iy < H && ix >= 0 && ix < W ? plane[(size_t)iy * W + ix] : 0.f;
        }
        __syncthreads();
        const float* f = w + ((size_t)k * C + c) * 9;
#pragma unroll
        for (int r = 0; r < 3; ++r)
#pragma unroll
            for (int s = 0; s < 3; ++s)
                sum = fmaf(patch[threadIdx.y + r][threadIdx.x + s], f[r * 3 + s], sum);
        __syncthreads();
    }
    if (oy < H && ox < W)
        y[(((size_t)n * K + k) * H + oy) * W + ox] = sum;
}
