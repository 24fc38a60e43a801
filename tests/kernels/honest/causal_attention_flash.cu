// spec: basics/causal_attention  expect: PASS
/* @plan
{ "launch": [ { "kernel": "attention", "grid": ["ceil_div(S, 32)", "B * H"], "block": [32],
                "shared": "2 * 32 * D * 4", "args": ["q", "k", "v", "o", "S"] } ] }
*/
#include <cuda_runtime.h>

constexpr int D = DIM_D;
extern __shared__ float smem[];

// A thread owns one query; keys and values pass through shared memory 32 at a time, softmax is online.
extern "C" __global__ void attention(const float* __restrict__ q, const float* __restrict__ k,
                                     const float* __restrict__ v, float* __restrict__ o, int S)
{
    float* sk = smem;
    float* sv = smem + 32 * D;
    const size_t base = (size_t)blockIdx.y * S * D;
    const int row = blockIdx.x * 32 + threadIdx.x;
    const float scale = rsqrtf((float)D);
    float qr[D], acc[D], m = -INFINITY, l = 0.f;
#pragma unroll
    for (int d = 0; d < D; d++) {
        qr[d] = row < S ? q[base + (size_t)row * D + d] : 0.f;
        acc[d] = 0.f;
    }
    const int last = min((int)(blockIdx.x + 1) * 32, S); // keys that some query of the block sees
    for (int j0 = 0; j0 < last; j0 += 32) {
        const int n = min(32, S - j0);
        for (int i = threadIdx.x; i < n * D; i += 32) {
            sk[i] = k[base + (size_t)j0 * D + i];
            sv[i] = v[base + (size_t)j0 * D + i];
        }
        __syncthreads();
        for (int j = 0; j < n && j0 + j <= row; j++) {
            float s = 0.f;
#pragma unroll
            for (int d = 0; d < D; d++)
                s += qr[d] * sk[j * D + d];
            s *= scale;
            const float nm = fmaxf(m, s), fix = expf(m - nm), p = expf(s - nm);
            l = l * fix + p;
            m = nm;
#pragma unroll
            for (int d = 0; d < D; d++)
                acc[d] = acc[d] * fix + p * sv[j * D + d];
        }
        __syncthreads();
    }
    if (row < S)
#pragma unroll
        for (int d = 0; d < D; d++)
            o[base + (size_t)row * D + d] = acc[d] / l;
}
