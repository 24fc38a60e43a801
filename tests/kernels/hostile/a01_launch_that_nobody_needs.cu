// spec: basics/softmax  expect: IDLE_LAUNCH
// exploit: A01  a tensor-core kernel for show, whose scratch nothing reads
/* @plan
{ "scratch": [ { "name": "t", "dtype": "f32", "count": "256" } ],
  "launch": [ { "kernel": "show", "grid": [1], "block": [32], "args": ["x", "t"] },
              { "kernel": "k", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
#include <mma.h>

__device__ float total(float s)
{
    __shared__ float part[4];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = s;
    __syncthreads();
    s = part[0] + part[1] + part[2] + part[3];
    __syncthreads();
    return s;
}
extern "C" __global__ void show(const float* x, float* t)
{
    using namespace nvcuda::wmma;
    fragment<accumulator, 16, 16, 16, float> c;
    fill_fragment(c, x[0]);
    store_matrix_sync(t, c, 16, mem_row_major);
}
extern "C" __global__ void k(const float* x, float* y, int n)
{
    __shared__ float peak[4];
    const float* row = x + (size_t)blockIdx.x * n;
    float m = -INFINITY, s = 0;
    for (int i = threadIdx.x; i < n; i += 128)
        m = fmaxf(m, row[i]);
    for (int d = 16; d; d /= 2)
        m = fmaxf(m, __shfl_xor_sync(~0u, m, d));
    if (threadIdx.x % 32 == 0)
        peak[threadIdx.x / 32] = m;
    __syncthreads();
    m = fmaxf(fmaxf(peak[0], peak[1]), fmaxf(peak[2], peak[3]));
    for (int i = threadIdx.x; i < n; i += 128)
        s += expf(row[i] - m);
    s = total(s);
    for (int i = threadIdx.x; i < n; i += 128)
        y[(size_t)blockIdx.x * n + i] = expf(row[i] - m) / s;
}
