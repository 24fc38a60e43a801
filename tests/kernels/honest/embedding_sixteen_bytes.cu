// spec: llm/embedding  expect: PASS
// A warp a token, 16 bytes a lane where the rows allow it.
/* @plan
{ "launch": [ { "kernel": "gather", "grid": ["ceil_div(T, 4)"], "block": [128], "args": ["token", "table", "y", "T", "C"] } ] }
*/
#include <cuda_bf16.h>
extern "C" __global__ void gather(const int* token, const __nv_bfloat16* table, __nv_bfloat16* y, int tokens, int width)
{
    const int t = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (t >= tokens)
        return;
    const __nv_bfloat16* from = table + (size_t)token[t] * width;
    __nv_bfloat16* to = y + (size_t)t * width;
    if (width % 8 == 0) {
        const uint4* f = reinterpret_cast<const uint4*>(from);
        uint4* o = reinterpret_cast<uint4*>(to);
        for (int i = lane; i < width / 8; i += 32)
            o[i] = __ldg(f + i);
    } else {
        for (int i = lane; i < width; i += 32)
            to[i] = from[i];
    }
}
