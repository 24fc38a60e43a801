/* Blocks of 33 threads: two warps, the second with one lane. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N,33)"], "block": [33], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    int i = blockIdx.x * 33 + threadIdx.x;
    if (i < N)
        y[i] = 1.f / (1.f + expf(-x[i]));
}
