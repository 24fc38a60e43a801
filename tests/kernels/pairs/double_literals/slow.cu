/* Literals and functions of double precision. */
/* @plan
{ "launch": [ { "kernel": "gelu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void gelu(const float *x, float *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N)
        y[i] = 0.5 * x[i] * (1.0 + erf(x[i] * 0.70710678118654752440));
}
