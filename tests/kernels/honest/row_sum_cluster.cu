// spec: basics/row_sum  expect: PASS
/* @plan
{ "launch": [ { "kernel": "row_sum_cluster", "grid": [4, "B"], "block": [96], "cluster": [4], "args": ["x", "y", "N"] } ] }
*/
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
namespace cg = cooperative_groups;

extern "C" __global__ void row_sum_cluster(const float* __restrict__ x, float* __restrict__ y, int n)
{
    __shared__ float total;
    auto cluster = cg::this_cluster();
    auto block = cg::this_thread_block();
    auto warp = cg::tiled_partition<32>(block);
    if (block.thread_rank() == 0) total = 0.f;
    cluster.sync();
    float s = 0.f;
    for (int i = cluster.block_rank() * 96 + threadIdx.x; i < n; i += 96 * cluster.num_blocks())
        s += x[(size_t)blockIdx.y * n + i];
    s = cg::reduce(warp, s, cg::plus<float>());
    if (warp.thread_rank() == 0) atomicAdd(cluster.map_shared_rank(&total, 0), s);
    cluster.sync();
    if (cluster.block_rank() == 0 && block.thread_rank() == 0) y[blockIdx.y] = total;
}
