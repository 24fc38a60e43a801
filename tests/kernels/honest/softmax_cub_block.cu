// spec: basics/softmax  expect: PASS
/* @plan
{ "launch": [ { "kernel": "softmax_cub", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
#include <cub/block/block_reduce.cuh>

struct larger {
    __device__ float operator()(float a, float b) const { return a > b ? a : b; }
};

extern "C" __global__ void softmax_cub(const float* x, float* y, int N)
{
    using Reduce = cub::BlockReduce<float, 128>;
    __shared__ typename Reduce::TempStorage tmp;
    __shared__ float shared_max, shared_sum;
    const float* in = x + (size_t)blockIdx.x * N;
    float* out = y + (size_t)blockIdx.x * N;

    float m = -INFINITY;
    for (int i = threadIdx.x; i < N; i += 128) m = larger()(m, in[i]);
    m = Reduce(tmp).Reduce(m, larger());
    if (threadIdx.x == 0) shared_max = m;
    __syncthreads();

    float s = 0.f;
    for (int i = threadIdx.x; i < N; i += 128) s += expf(in[i] - shared_max);
    s = Reduce(tmp).Sum(s);
    if (threadIdx.x == 0) shared_sum = 1.0f / s;
    __syncthreads();

    for (int i = threadIdx.x; i < N; i += 128) out[i] = expf(in[i] - shared_max) * shared_sum;
}
