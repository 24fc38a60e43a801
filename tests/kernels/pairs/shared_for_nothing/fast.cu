/* What the threads need. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    __shared__ float buf[256];
    int i = blockIdx.x * 256 + threadIdx.x;
    buf[threadIdx.x] = i < N ? x[i] : 0.f;
    __syncthreads();
    float v = buf[threadIdx.x];
    if (i < N)
        y[i] = 0.5f * v * (1.f + erff(v * 0.70710678f));
}
