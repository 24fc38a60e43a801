/* One launch. */
/* @plan
{ "launch": [ { "kernel": "all", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void all(const float *x, float *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N)
        y[i] = tanhf(x[i] / (1 + expf(-x[i]))) + x[i];
}
