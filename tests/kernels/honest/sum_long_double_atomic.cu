// spec: llm/sum_long  expect: PASS
// Grid-stride sums in double, one atomic a block, and a launch that rounds.
/* @plan
{ "scratch": [ { "name": "sum", "dtype": "f64", "count": "1" } ],
  "launch": [ { "kernel": "clear", "grid": [1], "block": [1], "args": ["sum"] },
              { "kernel": "add", "grid": ["min(ceil_div(N, 1024), 1056)"], "block": [256], "args": ["x", "sum", "N"] },
              { "kernel": "put", "grid": [1], "block": [1], "args": ["sum", "y"] } ] }
*/
#include <cub/block/block_reduce.cuh>
extern "C" __global__ void clear(double* sum) { *sum = 0; }
extern "C" __global__ void add(const float* x, double* sum, int n)
{
    typedef cub::BlockReduce<double, 256> reduce;
    __shared__ typename reduce::TempStorage room;
    double s = 0;
    for (size_t i = blockIdx.x * 256 + threadIdx.x; i < n; i += gridDim.x * 256)
        s += x[i];
    s = reduce(room).Sum(s);
    if (threadIdx.x == 0)
        atomicAdd(sum, s);
}
extern "C" __global__ void put(const double* sum, float* y) { *y = (float)*sum; }
