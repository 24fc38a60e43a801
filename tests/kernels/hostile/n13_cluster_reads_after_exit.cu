// spec: basics/row_sum  expect: SHARED_RACE
// exploit: N13  reads the shared memory of a block of the cluster that may have ended
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["2 * B"], "block": [32], "cluster": [2], "args": ["x", "y", "N"] } ] }
*/
#include <cooperative_groups.h>
namespace cg = cooperative_groups;
extern "C" __global__ void k(const float* x, float* y, int n)
{
    __shared__ float mine;
    cg::cluster_group c = cg::this_cluster();
    const float* row = x + (size_t)(blockIdx.x / 2) * n;
    float s = 0;
    for (int i = threadIdx.x + 32 * c.block_rank(); i < n; i += 64)
        s += row[i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0)
        mine = s;
    c.sync();
    if (c.block_rank() == 0 && threadIdx.x == 0)
        y[blockIdx.x / 2] = mine + *c.map_shared_rank(&mine, 1);
}
