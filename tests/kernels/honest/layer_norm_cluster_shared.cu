// spec: basics/layer_norm  expect: PASS
// A row a cluster of four blocks, moments through distributed shared memory.
/* @plan
{ "launch": [ { "kernel": "k", "grid": [4, "B"], "block": [128], "cluster": [4, 1, 1], "args": ["x", "gamma", "beta", "y", "N"] } ] }
*/
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
namespace cg = cooperative_groups;
extern "C" __global__ void k(const float* x, const float* gamma, const float* beta, float* y, int n)
{
    __shared__ float part[4], both[2];
    cg::cluster_group cluster = cg::this_cluster();
    auto warp = cg::tiled_partition<32>(cg::this_thread_block());
    const float* row = x + (size_t)blockIdx.y * n;
    const int per = (n + 3) / 4, begin = cluster.block_rank() * per, end = min(n, begin + per);
    float mean = 0, r = 0;
    for (int pass = 0; pass < 2; pass++) {
        float s = 0;
        for (int i = begin + threadIdx.x; i < end; i += 128)
            s += pass ? (row[i] - mean) * (row[i] - mean) : row[i];
        s = cg::reduce(warp, s, cg::plus<float>());
        if (warp.thread_rank() == 0)
            part[warp.meta_group_rank()] = s;
        __syncthreads();
        if (threadIdx.x == 0)
            both[pass] = part[0] + part[1] + part[2] + part[3];
        cluster.sync();
        float all = 0;
        for (int b = 0; b < 4; b++)
            all += *cluster.map_shared_rank(&both[pass], b);
        if (pass)
            r = rsqrtf(all / n + 1e-5f);
        else
            mean = all / n;
    }
    cluster.sync();
    for (int i = begin + threadIdx.x; i < end; i += 128)
        y[(size_t)blockIdx.y * n + i] = (row[i] - mean) * r * gamma[i] + beta[i];
}
