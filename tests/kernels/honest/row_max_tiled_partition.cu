// spec: basics/row_max  expect: PASS
/* @plan
{ "launch": [ { "kernel": "row_max", "grid": ["ceil_div(B, 8)"], "block": [128], "args": ["x", "y", "B", "N"] } ] }
*/
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
using namespace cooperative_groups;

// Sixteen threads a row.
extern "C" __global__ void row_max(const float* x, float* y, int rows, int n)
{
    thread_block_tile<16> tile = tiled_partition<16>(this_thread_block());
    int row = blockIdx.x * 8 + tile.meta_group_rank();
    if (row >= rows)
        return;
    float m = -INFINITY;
    for (int i = tile.thread_rank(); i < n; i += tile.size())
        m = fmaxf(m, x[(size_t)row * n + i]);
    m = reduce(tile, m, greater<float>());
    if (tile.thread_rank() == 0)
        y[row] = m;
}
