// spec: basics/softmax  expect: PASS
// A block takes a row in boxes of 256, as libcu++ writes it; the result leaves the same way.
/* @plan
{ "require": [ "N % 4 == 0 && N <= 40000" ],
  "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [256], "shared": "align(N, 256) * 4 + 128",
                "tensormaps": [ { "name": "rows", "tensor": "x", "box": [256, 1], "promotion": 256 },
                                { "name": "result", "tensor": "y", "box": [256, 1] } ],
                "args": ["rows", "result", "N"] } ] }
*/
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cuda.h>
#include <cuda/barrier>

namespace cg = cooperative_groups;
namespace cde = cuda::device::experimental;
using barrier = cuda::barrier<cuda::thread_scope_block>;

constexpr int PIECE = 256;

template <class Op> __device__ float over_block(float v, Op op, float* of_warp)
{
    const auto warp = cg::tiled_partition<32>(cg::this_thread_block());
    v = cg::reduce(warp, v, op);
    if (warp.thread_rank() == 0)
        of_warp[warp.meta_group_rank()] = v;
    __syncthreads();
    v = of_warp[0];
    for (int i = 1; i < 8; i++)
        v = op(v, of_warp[i]);
    __syncthreads();
    return v;
}

extern "C" __global__ void __launch_bounds__(256) softmax(const __grid_constant__ CUtensorMap rows,
                                                          const __grid_constant__ CUtensorMap result, int n)
{
    extern __shared__ char raw[];
    float* const row = reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(raw) + 127) / 128 * 128);
    __shared__ float of_warp[8];
#pragma nv_diag_suppress static_var_with_dynamic_init
    __shared__ barrier full;
    const int pieces = (n + PIECE - 1) / PIECE;
    if (threadIdx.x == 0) {
        init(&full, blockDim.x);
        cde::fence_proxy_async_shared_cta();
    }
    __syncthreads();
    barrier::arrival_token token;
    if (threadIdx.x == 0) {
        for (int p = 0; p < pieces; p++)
            cde::cp_async_bulk_tensor_2d_global_to_shared(row + p * PIECE, &rows, p * PIECE, blockIdx.x, full);
        token = cuda::device::barrier_arrive_tx(full, 1, pieces * PIECE * sizeof(float));
    } else {
        token = full.arrive();
    }
    full.wait(std::move(token));

    float most = -INFINITY, sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        most = fmaxf(most, row[i]);
    most = over_block(most, cg::greater<float>(), of_warp);
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        sum += row[i] = expf(row[i] - most);
    sum = over_block(sum, cg::plus<float>(), of_warp);
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        row[i] /= sum;

    cde::fence_proxy_async_shared_cta();
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int p = 0; p < pieces; p++)
            cde::cp_async_bulk_tensor_2d_shared_to_global(&result, p * PIECE, blockIdx.x, row + p * PIECE);
        cde::cp_async_bulk_commit_group();
        cde::cp_async_bulk_wait_group_read<0>();
    }
}
