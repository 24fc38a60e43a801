// spec: basics/row_sum  expect: PASS
/* @plan
{
  "scratch": [{"name": "part", "dtype": "f32", "count": "B * 4"}],
  "launch": [
    { "kernel": "k", "grid": [4], "block": [128], "cooperative": true,
      "args": ["x", "part", "y", "B", "N"] } ] }
*/
#include <cooperative_groups.h>
namespace cg = cooperative_groups;
extern "C" __global__ void k(const float* x, float* part, float* y, int B, int N) {
    auto grid = cg::this_grid();
    int lane = threadIdx.x % 32, w = threadIdx.x / 32;
    for (int b = w; b < B; b += 4) {
        float s = 0;
        for (int i = blockIdx.x * 32 + lane; i < N; i += gridDim.x * 32) s += x[(size_t)b * N + i];
        for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(0xffffffff, s, o);
        if (lane == 0)
            part[b * 4 + blockIdx.x] = s;
    }
    grid.sync();
    for (int b = grid.thread_rank(); b < B; b += grid.size()) {
        float s = 0;
        for (int i = 0; i < 4; i++) s += part[b * 4 + i];
        y[b] = s;
    }
}
