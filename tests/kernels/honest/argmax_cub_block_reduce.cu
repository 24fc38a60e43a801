// spec: basics/argmax  expect: PASS
// cub::BlockReduce over pairs of value and index, the lower index of equals.
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
#include <cub/block/block_reduce.cuh>
struct pair_of { float v; int i; };
struct larger {
    __device__ pair_of operator()(const pair_of& a, const pair_of& b) const
    {
        return b.v > a.v || (b.v == a.v && b.i < a.i) ? b : a;
    }
};
extern "C" __global__ void k(const float* x, long long* y, int n)
{
    typedef cub::BlockReduce<pair_of, 256> reduce;
    __shared__ typename reduce::TempStorage room;
    pair_of best = {-INFINITY, 0x7fffffff};
    for (int i = threadIdx.x; i < n; i += 256)
        best = larger()(best, pair_of{x[(size_t)blockIdx.x * n + i], i});
    best = reduce(room).Reduce(best, larger());
    if (threadIdx.x == 0)
        y[blockIdx.x] = best.i;
}
