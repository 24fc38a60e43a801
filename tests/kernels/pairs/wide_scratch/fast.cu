/* They stay in registers. */
/* @plan
{ "launch": [ { "kernel": "act", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
#include <cuda_fp16.h>
extern "C" __global__ void act(const half *x, half *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N) {
        float v = __half2float(x[i]);
        y[i] = __float2half(v / (1.f + __expf(-v)));
    }
}
