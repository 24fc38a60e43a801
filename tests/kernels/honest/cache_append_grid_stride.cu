// spec: llm/cache_append  expect: PASS
// The cache is copied, then the new rows are quantized into their slots by a second launch.
/* @plan
{ "launch": [ { "kernel": "copy", "grid": ["min(ceil_div(P * T * K * D, 1024), 1056)"], "block": [256], "args": ["cache", "y", "P * T * K * D"] },
              { "kernel": "append", "grid": ["B"], "block": [128], "args": ["x", "slot", "scale", "y", "K", "D"] } ] }
*/
#include <cuda_bf16.h>
#include <cuda_fp8.h>
extern "C" __global__ void copy(const unsigned char* cache, unsigned char* y, long long n)
{
    for (long long i = blockIdx.x * 256ll + threadIdx.x; i < n; i += gridDim.x * 256ll)
        y[i] = cache[i];
}
extern "C" __global__ void append(const __nv_bfloat16* x, const int* slot, const float* scale, __nv_fp8_e4m3* y, int heads, int d)
{
    const size_t to = (size_t)slot[blockIdx.x] * heads * d, from = (size_t)blockIdx.x * heads * d;
    for (int i = threadIdx.x; i < heads * d; i += 128)
        y[to + i] = __nv_fp8_e4m3(__bfloat162float(x[from + i]) / scale[i / d]);
}
