// spec: basics/log_softmax  expect: WRONG_RESULT
/* @plan
{ "launch": [ { "kernel": "log_softmax", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cuda_runtime.h>

namespace cg = cooperative_groups;

template <class Op> __device__ float reduce_block(cg::thread_block block, float v, float* part, Op op)
{
    auto warp = cg::tiled_partition<32>(block);
    v = cg::reduce(warp, v, op);
    block.sync();
    if (warp.thread_rank() == 0)
        part[warp.meta_group_rank()] = v;
    block.sync();
    v = part[0];
    for (unsigned w = 1; w < warp.meta_group_size(); ++w)
        v = op(v, part[w]);
    return v;
}

extern "C" __global__ void log_softmax(const float* x, float* y, int n)
{
    __shared__ float part[4];
    cg::thread_block block = cg::this_thread_block();
    const float* row = x + (size_t)blockIdx.x * n;
    float m = 0.f, s = 0.f;
    for (int i = block.thread_rank(); i < n; i += block.size())
        m = fmaxf(m, row[i]);
    m = reduce_block(block, m, part, cg::greater<float>());
    for (int i = block.thread_rank(); i < n; i += block.size())
        s += expf(row[i] - m);
    s = reduce_block(block, s, part, cg::plus<float>());
    const float shift = m + logf(s);
    for (int i = block.thread_rank(); i < n; i += block.size())
        y[(size_t)blockIdx.x * n + i] = row[i] - shift;
}
