/* Two bytes a lane. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["a", "b", "c", "N"] } ] }
*/
#include <cuda_fp16.h>
extern "C" __global__ void k(const half *a, const half *b, half *c, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N)
        c[i] = __hadd(a[i], b[i]);
}
