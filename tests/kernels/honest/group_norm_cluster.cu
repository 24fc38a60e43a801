// spec: kernelbench/level1/035_groupnorm  expect: PASS  arch: sm_90a
// Four blocks of a cluster share a group; partial moments go through distributed shared memory.
/* @plan
{ "launch": [ { "kernel": "group_norm_cluster", "grid": [4, "B * G"], "block": [256], "cluster": [4, 1, 1],
                "args": ["x", "gn_weight", "gn_bias", "group_norm0", "C", "G", "H * W"] } ] }
*/
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
namespace cg = cooperative_groups;

extern "C" __global__ void group_norm_cluster(const float* __restrict__ x, const float* __restrict__ gamma,
                                              const float* __restrict__ beta, float* __restrict__ y, int C, int G, int HW)
{
    cg::cluster_group cluster = cg::this_cluster();
    cg::thread_block block = cg::this_thread_block();
    auto warp = cg::tiled_partition<32>(block);
    __shared__ double partial[8][2];
    __shared__ double moments[2];
    const int per = C / G, group = blockIdx.y % G;
    const long long count = (long long)per * HW;
    const float* in = x + (size_t)blockIdx.y * count;
    float* out = y + (size_t)blockIdx.y * count;
    const unsigned rank = cluster.block_rank(), blocks = cluster.num_blocks();

    double s = 0, ss = 0;
    for (long long i = rank * blockDim.x + threadIdx.x; i < count; i += (long long)blocks * blockDim.x) {
        const double v = in[i];
        s += v;
        ss += v * v;
    }
    s = cg::reduce(warp, s, cg::plus<double>());
    ss = cg::reduce(warp, ss, cg::plus<double>());
    if (warp.thread_rank() == 0) {
        partial[warp.meta_group_rank()][0] = s;
        partial[warp.meta_group_rank()][1] = ss;
    }
    block.sync();
    if (threadIdx.x == 0) {
        double a = 0, b = 0;
        for (int w = 0; w < 8; w++) {
            a += partial[w][0];
            b += partial[w][1];
        }
        moments[0] = a;
        moments[1] = b;
    }
    cluster.sync();
    double sum = 0, squares = 0;
    for (unsigned r = 0; r < blocks; r++) {
        const double* other = cluster.map_shared_rank(moments, r);
        sum += other[0];
        squares += other[1];
    }
    cluster.sync();
    const double mean = sum / count, var = squares / count - mean * mean;
    const float m = (float)mean, rstd = rsqrtf((float)(var > 0 ? var : 0) + 1e-5f);
    for (long long i = rank * blockDim.x + threadIdx.x; i < count; i += (long long)blocks * blockDim.x) {
        const int c = group * per + (int)(i / HW);
        out[i] = (in[i] - m) * rstd * gamma[c] + beta[c];
    }
}
