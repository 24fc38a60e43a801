// spec: basics/rms_norm  expect: NOT_WRITTEN
/* @plan
{ "launch": [ { "kernel": "rms_norm", "grid": ["B"], "block": ["min(1024, align(ceil_div(N, 4), 32))"],
                "args": ["x", "gamma", "y"] } ] }
*/
#include <cuda_runtime.h>

// Specialised by the DIM_ macros: vectors of four where the rows allow them.
constexpr int N = DIM_N;
constexpr bool kVector = N % 4 == 0;

__device__ float block_sum(float v)
{
    __shared__ float part[32];
    for (int d = 16; d > 0; d >>= 1)
        v += __shfl_xor_sync(0xffffffffu, v, d);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = v;
    __syncthreads();
    v = 0.f;
    for (int i = 0; i < (int)blockDim.x / 32; i++)
        v += part[i];
    return v;
}

extern "C" __global__ void rms_norm(const float* __restrict__ x, const float* __restrict__ gamma,
                                    float* __restrict__ y)
{
    const float* row = x + (size_t)blockIdx.x * N;
    float* out = y + (size_t)blockIdx.x * N;
    float s = 0.f;
    if constexpr (kVector) {
        const float4* row4 = reinterpret_cast<const float4*>(row);
        const float4* gamma4 = reinterpret_cast<const float4*>(gamma);
        float4* out4 = reinterpret_cast<float4*>(out);
        for (int i = threadIdx.x; i < N / 4; i += blockDim.x) {
            float4 v = row4[i];
            s += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
        }
        const float r = rsqrtf(block_sum(s) / N + 1e-5f);
        for (int i = threadIdx.x; i < N / 4; i += gridDim.x) {
            float4 v = row4[i], g = gamma4[i]; // one step is enough up to rows of 4096
            out4[i] = make_float4(v.x * r * g.x, v.y * r * g.y, v.z * r * g.z, v.w * r * g.w);
        }
    } else {
        for (int i = threadIdx.x; i < N; i += blockDim.x)
            s = fmaf(row[i], row[i], s);
        const float r = rsqrtf(block_sum(s) / N + 1e-5f);
        for (int i = threadIdx.x; i < N; i += blockDim.x)
            out[i] = row[i] * r * gamma[i];
    }
}
