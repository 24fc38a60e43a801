// spec: basics/row_sum  expect: PASS
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [128], "shared": "128 * 4", "args": ["x", "y", "N"] } ] }
*/
#include <cuda_runtime.h>

// The classic: halving in shared memory, the last warp on its own with __syncwarp.
template <unsigned int blockSize> __device__ void warpReduce(volatile float* sdata, unsigned int tid)
{
    if (blockSize >= 64) {
        sdata[tid] += sdata[tid + 32];
        __syncwarp();
    }
#pragma unroll
    for (int d = 16; d > 0; d >>= 1) {
        float v = 0.f;
        if (tid < d)
            v = sdata[tid + d];
        __syncwarp();
        if (tid < d)
            sdata[tid] += v;
        __syncwarp();
    }
}

extern "C" __global__ void row_sum(const float* g_idata, float* g_odata, unsigned int n)
{
    extern __shared__ float sdata[];
    unsigned int tid = threadIdx.x;
    float s = 0.f;
    for (unsigned int i = tid; i < n; i += 128)
        s += g_idata[(size_t)blockIdx.x * n + i];
    sdata[tid] = s;
    __syncthreads();
    if (tid < 64)
        sdata[tid] += sdata[tid + 64];
    __syncthreads();
    if (tid < 32)
        warpReduce<128>(sdata, tid);
    if (tid == 0)
        g_odata[blockIdx.x] = sdata[0];
}
