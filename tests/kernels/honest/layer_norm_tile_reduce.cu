// spec: basics/layer_norm  expect: PASS
/* @plan
{ "launch": [ { "kernel": "layer_norm", "grid": ["ceil_div(B, 4)"], "block": [32, 4],
                "args": ["x", "gamma", "beta", "y", "B", "N"] } ] }
*/
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
namespace cg = cooperative_groups;

// A warp a row: Welford's update per lane, merged by Chan's formula over the tile.
struct moments {
    float mean, m2, count;
};
__device__ moments merge(moments a, moments b)
{
    const float n = a.count + b.count;
    if (n == 0.f)
        return a;
    const float d = b.mean - a.mean, share = b.count / n;
    return {a.mean + d * share, a.m2 + b.m2 + d * d * a.count * share, n};
}

extern "C" __global__ void layer_norm(const float* x, const float* gamma, const float* beta, float* y, int rows, int n)
{
    auto tile = cg::tiled_partition<32>(cg::this_thread_block());
    const int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows)
        return;
    const float* in = x + (size_t)row * n;
    moments mine = {0.f, 0.f, 0.f};
    for (int i = tile.thread_rank(); i < n; i += tile.size()) {
        const float v = in[i];
        mine.count += 1.f;
        const float d = v - mine.mean;
        mine.mean += d / mine.count;
        mine.m2 += d * (v - mine.mean);
    }
    const moments all = cg::reduce(tile, mine, merge);
    const float rstd = rsqrtf(all.m2 / (float)n + 1e-5f);
    float* out = y + (size_t)row * n;
    for (int i = tile.thread_rank(); i < n; i += tile.size())
        out[i] = fmaf((in[i] - all.mean) * rstd, gamma[i], beta[i]);
}
