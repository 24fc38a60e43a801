// spec: basics/row_sum  expect: PASS
/* @plan
{ "launch": [ { "kernel": "row_sum_cub", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
#include <cub/cub.cuh>
#include <cuda_runtime.h>

extern "C" __global__ void row_sum_cub(const float* x, float* y, int n)
{
    using BlockReduce = cub::BlockReduce<float, 128>;
    __shared__ typename BlockReduce::TempStorage temp_storage;
    float partial = 0.f;
    for (int i = threadIdx.x; i < n; i += 128)
        partial += x[(long long)blockIdx.x * n + i];
    float total = BlockReduce(temp_storage).Sum(partial);
    if (threadIdx.x == 0)
        y[blockIdx.x] = total;
}
