/* 96 KB of shared memory for blocks of 64 threads. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N,64)"], "block": [64], "shared": 98304, "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    extern __shared__ float buf[];
    int i = blockIdx.x * 64 + threadIdx.x;
    buf[threadIdx.x] = i < N ? x[i] : 0.f;
    __syncthreads();
    float t = buf[63 - threadIdx.x];
    (void)t;
    float v = buf[threadIdx.x];
    if (i < N)
        y[i] = 0.5f * v * (1.f + erff(v * 0.70710678f));
}
