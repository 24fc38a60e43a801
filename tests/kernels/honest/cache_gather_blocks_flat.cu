// spec: llm/cache_gather_blocks  expect: PASS
/* @plan
{ "launch": [ { "kernel": "gather", "grid": ["ceil_div(K * M * T * D, 256)"], "block": [256], "args": ["cache", "table", "y"] } ] }
*/
#include <cuda_fp16.h>
extern "C" __global__ void gather(const __half* cache, const int* table, __half* y)
{
    size_t i = (size_t)blockIdx.x * 256 + threadIdx.x, all = (size_t)DIM_K * DIM_M * DIM_T * DIM_D;
    if (i >= all) return;
    int d = i % DIM_D, row = i / DIM_D % (DIM_M * DIM_T), head = i / ((size_t)DIM_D * DIM_M * DIM_T);
    int page = table[row / DIM_T];
    y[i] = cache[(((size_t)page * DIM_T + row % DIM_T) * DIM_K + head) * DIM_D + d];
}
