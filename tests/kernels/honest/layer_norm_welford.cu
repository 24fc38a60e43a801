// spec: basics/layer_norm  expect: PASS
/* @plan
{ "launch": [ { "kernel": "layer_norm", "grid": ["B"], "block": [256],
                "args": ["x", "gamma", "beta", "y", "N", 1e-5] } ] }
*/
#include <cuda_runtime.h>

// Count, mean and sum of squared distances of a set; sets combine by Chan's formula.
struct Welford {
    float n, mean, m2;
};

__device__ __forceinline__ Welford merge(Welford a, Welford b)
{
    float n = a.n + b.n;
    if (n == 0.f)
        return a;
    float d = b.mean - a.mean, f = b.n / n;
    return {n, a.mean + d * f, a.m2 + b.m2 + d * d * a.n * f};
}

__device__ __forceinline__ Welford shuffle(Welford w, int lanes)
{
    return {__shfl_xor_sync(0xffffffffu, w.n, lanes), __shfl_xor_sync(0xffffffffu, w.mean, lanes),
            __shfl_xor_sync(0xffffffffu, w.m2, lanes)};
}

extern "C" __global__ void layer_norm(const float* __restrict__ x, const float* __restrict__ gamma,
                                      const float* __restrict__ beta, float* __restrict__ y, int N, float eps)
{
    __shared__ Welford part[8];
    const float* row = x + (long)blockIdx.x * N;
    Welford w = {0.f, 0.f, 0.f};
    for (int i = threadIdx.x; i < N; i += blockDim.x) {
        float d = row[i] - w.mean;
        w.n += 1.f;
        w.mean += d / w.n;
        w.m2 += d * (row[i] - w.mean);
    }
    for (int k = 1; k < 32; k <<= 1)
        w = merge(w, shuffle(w, k));
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = w;
    __syncthreads();
    w = part[0];
    for (int k = 1; k < 8; k++)
        w = merge(w, part[k]);
    const float scale = rsqrtf(w.m2 / N + eps);
    for (int i = threadIdx.x; i < N; i += blockDim.x)
        y[(long)blockIdx.x * N + i] = (row[i] - w.mean) * scale * gamma[i] + beta[i];
}
