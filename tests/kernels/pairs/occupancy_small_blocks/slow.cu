/* Blocks of one warp: an SM holds 32 of them, half of its warps. */
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 32)"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float *x, float *y, int N)
{
    int i = blockIdx.x * 32 + threadIdx.x;
    if (i < N)
        y[i] = fmaxf(x[i], 0.0f);
}
