/* Elements in order. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N)
        y[i] = fmaxf(x[i], 0.f);
}
