// spec: basics/vector_add  expect: UNINITIALIZED_READ
/* @plan
{
  "launch": [
    { "kernel": "k", "grid": ["ceil_div(N, 128)"], "block": [128],
      "args": ["a", "b", "c", "N"] } ] }
*/
#include <cuda_pipeline.h>
extern "C" __global__ void k(const float* __restrict__ a, const float* __restrict__ b,
                             float* __restrict__ c, int N) {
    __shared__ float sa[128];
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i < N)
        __pipeline_memcpy_async(&sa[threadIdx.x], &a[i], sizeof(float));
    __pipeline_commit();
    __syncthreads();
    if (i < N)
        c[i] = sa[threadIdx.x] + b[i]; // HERE
}
