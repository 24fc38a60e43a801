// spec: basics/row_sum  expect: SHARED_RACE
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [64], "args": ["x", "y", "N"] } ] }
*/
#include <cuda_pipeline.h>
extern "C" __global__ void k(const float* __restrict__ x, float* __restrict__ y, int N) {
    __shared__ float s[64];
    float sum = 0;
    for (int base = 0; base < N; base += 64) {
        int i = base + threadIdx.x;
        if (i < N)
            __pipeline_memcpy_async(&s[threadIdx.x], &x[blockIdx.x * N + i], 4);
        else
            s[threadIdx.x] = 0;
        __pipeline_commit();
        __syncthreads();
        __pipeline_wait_prior(0);
        if (threadIdx.x == 0)
            for (int j = 0; j < 64; j++) sum += s[j]; // HERE
        __syncthreads();
    }
    if (threadIdx.x == 0)
        y[blockIdx.x] = sum;
}
