/* Blocks of 8 warps. */
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float *x, float *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N)
        y[i] = fmaxf(x[i], 0.0f);
}
