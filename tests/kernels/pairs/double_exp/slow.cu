/* Exponential and division in double precision. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N) {
        double v = x[i];
        y[i] = (float)(v / (1.0 + exp(-v)));
    }
}
