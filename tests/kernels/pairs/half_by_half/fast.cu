/* 16 bytes a lane. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N,2048)"], "block": [256], "args": ["a", "b", "c", "N"] } ] }
*/
#include <cuda_fp16.h>
extern "C" __global__ void k(const half *a, const half *b, half *c, int N)
{
    int i = (blockIdx.x * 256 + threadIdx.x) * 8;
    if (i + 7 < N) {
        uint4 u = *(const uint4 *)(a + i), v = *(const uint4 *)(b + i), w;
        half2 *p = (half2 *)&u, *q = (half2 *)&v, *r = (half2 *)&w;
#pragma unroll
        for (int j = 0; j < 4; j++)
            r[j] = __hadd2(p[j], q[j]);
        *(uint4 *)(c + i) = w;
    } else
        for (; i < N; i++)
            c[i] = __hadd(a[i], b[i]);
}
