/* Half-precision numbers pass through scratch of 4 bytes each. */
/* @plan
{ "scratch": [ {"name":"t","dtype":"f32","count":"N"} ], "launch": [ { "kernel": "up", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "t", "N"] }, { "kernel": "act", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["t", "y", "N"] } ] }
*/
#include <cuda_fp16.h>
extern "C" __global__ void up(const half *x, float *t, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N)
        t[i] = __half2float(x[i]);
}
extern "C" __global__ void act(const float *t, half *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N) {
        float v = t[i];
        y[i] = __float2half(v / (1.f + __expf(-v)));
    }
}
