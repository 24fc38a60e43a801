// spec: basics/conv2d  expect: PASS
// x goes to scratch with the channels innermost; from there TMA takes 64 pixels by 16 channels at a time as im2col has them,
// borders filled with zeros, for each of the nine taps.
/* @plan
{ "scratch": [ { "name": "last", "dtype": "f32", "count": "N * H * W * align(C, 4)" } ],
  "launch":  [ { "kernel": "channels_last", "grid": ["ceil_div(H * W, 256)", "C", "N"], "block": [256],
                 "args": ["x", "last", "C", "align(C, 4)", "H * W"] },
               { "kernel": "conv", "grid": ["ceil_div(N * H * W, 64)", "ceil_div(K, 32)"], "block": [128],
                 "tensormaps": [ { "name": "patches", "tensor": "last", "dims": ["C", "W", "H", "N"],
                                   "strides": ["align(C, 4)", "align(C, 4) * W", "align(C, 4) * W * H"],
                                   "lower": [-1, -1], "upper": [-1, -1], "channels": 16, "pixels": 64 } ],
                 "args": ["patches", "w", "b", "y", "N", "C", "K", "H", "W"] } ] }
*/
#include <cuda.h>
#include <stdint.h>

extern "C" __global__ void channels_last(const float* x, float* last, int C, int pitch, int plane)
{
    const int p = blockIdx.x * 256 + threadIdx.x, c = blockIdx.y, n = blockIdx.z;
    if (p < plane)
        last[((size_t)n * plane + p) * pitch + c] = x[((size_t)n * C + c) * plane + p];
}

enum { PIXELS = 64, CHANNELS = 16, OUT = 32 };

__device__ __forceinline__ uint32_t at(const void* p) { return (uint32_t)__cvta_generic_to_shared(p); }

extern "C" __global__ void __launch_bounds__(128)
conv(const __grid_constant__ CUtensorMap patches, const float* w, const float* b, float* y, int N, int C, int K, int H, int W)
{
    __shared__ __align__(128) float patch[2][PIXELS * CHANNELS];
    __shared__ float weight[CHANNELS][OUT];
    __shared__ uint64_t full[2];
    const int pixel = blockIdx.x * PIXELS, k0 = blockIdx.y * OUT, groups = (C + CHANNELS - 1) / CHANNELS, steps = 9 * groups;
    const int px = threadIdx.x / 8 * 4, kx = threadIdx.x % 8 * 4;
    auto bring = [&](int step) {
        const int tap = step / groups, c = step % groups * CHANNELS;
        asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" :: "r"(at(&full[step % 2])), "n"(PIXELS * CHANNELS * 4) : "memory");
        asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4, %5}], [%6], {%7, %8};"
                     :: "r"(at(patch[step % 2])), "l"(&patches), "r"(c), "r"(pixel % W - 1), "r"(pixel / W % H - 1), "r"(pixel / W / H),
                        "r"(at(&full[step % 2])), "h"((uint16_t)(tap % 3)), "h"((uint16_t)(tap / 3)) : "memory");
    };
    if (threadIdx.x == 0) {
        for (int s = 0; s < 2; s++)
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" :: "r"(at(&full[s])) : "memory");
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        bring(0);
    }
    float sum[4][4] = {};
    for (int step = 0; step < steps; step++) {
        const int tap = step / groups, c0 = step % groups * CHANNELS;
        __syncthreads(); // weights and the other stage are free, and the barriers are there
        if (threadIdx.x == 0 && step + 1 < steps)
            bring(step + 1);
        for (int i = threadIdx.x; i < CHANNELS * OUT; i += 128) {
            const int c = c0 + i / OUT, k = k0 + i % OUT;
            weight[i / OUT][i % OUT] = c < C && k < K ? w[((size_t)k * C + c) * 9 + tap] : 0;
        }
        __syncthreads();
        asm volatile("{ .reg .pred done; again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1; @!done bra again; }"
                     :: "r"(at(&full[step % 2])), "r"(step / 2 % 2) : "memory");
        for (int c = 0; c < CHANNELS; c++)
            for (int p = 0; p < 4; p++) {
                const float v = patch[step % 2][(px + p) * CHANNELS + c];
                for (int k = 0; k < 4; k++)
                    sum[p][k] += v * weight[c][kx + k];
            }
    }
    for (int p = 0; p < 4; p++)
        for (int k = 0; k < 4; k++) {
            const int q = pixel + px + p, plane = H * W, out = k0 + kx + k;
            if (q < N * plane && out < K)
                y[((size_t)(q / plane) * K + out) * plane + q % plane] = sum[p][k] + b[out];
        }
}
