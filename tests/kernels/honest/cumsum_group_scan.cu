// spec: basics/cumsum  expect: PASS
/* @plan
{ "launch": [ { "kernel": "cumsum", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
#include <cooperative_groups.h>
#include <cooperative_groups/scan.h>
namespace cg = cooperative_groups;

extern "C" __global__ void cumsum(const float* x, float* y, int n)
{
    __shared__ float of_warp[8];
    auto block = cg::this_thread_block();
    auto tile = cg::tiled_partition<32>(block);
    const size_t at = (size_t)blockIdx.x * n;
    float carry = 0.f;
    for (int base = 0; base < n; base += 256) {
        const int i = base + block.thread_rank();
        float v = cg::inclusive_scan(tile, i < n ? x[at + i] : 0.f);
        if (tile.thread_rank() == 31)
            of_warp[tile.meta_group_rank()] = v;
        block.sync();
        float before = carry;
        for (unsigned w = 0; w < tile.meta_group_rank(); w++)
            before += of_warp[w];
        if (i < n)
            y[at + i] = before + v;
        for (int w = 0; w < 8; w++)
            carry += of_warp[w];
        block.sync();
    }
}
