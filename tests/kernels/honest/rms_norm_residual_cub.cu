// spec: llm/rms_norm_residual  expect: PASS
// A block a row, the sum kept in bfloat16, cub::BlockReduce.
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["T"], "block": [128], "args": ["x", "residual", "w", "y", "sum", "C"] } ] }
*/
#include <cub/block/block_reduce.cuh>
#include <cuda_bf16.h>
extern "C" __global__ void k(const __nv_bfloat16* x, const __nv_bfloat16* residual, const __nv_bfloat16* w, __nv_bfloat16* y, __nv_bfloat16* sum, int c)
{
    typedef cub::BlockReduce<float, 128> reduce;
    __shared__ typename reduce::TempStorage room;
    __shared__ float scale;
    const size_t row = (size_t)blockIdx.x * c;
    float q = 0;
    for (int i = threadIdx.x; i < c; i += 128) {
        __nv_bfloat16 s = __float2bfloat16(__bfloat162float(x[row + i]) + __bfloat162float(residual[row + i]));
        sum[row + i] = s;
        q += __bfloat162float(s) * __bfloat162float(s);
    }
    q = reduce(room).Sum(q);
    if (threadIdx.x == 0)
        scale = rsqrtf(q / c + 1e-5f);
    __syncthreads();
    for (int i = threadIdx.x; i < c; i += 128)
        y[row + i] = __float2bfloat16(__bfloat162float(sum[row + i]) * scale * __bfloat162float(w[i]));
}
