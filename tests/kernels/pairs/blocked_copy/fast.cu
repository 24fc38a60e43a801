/* The same 16 elements of a thread, 256 apart: the lanes of a warp are neighbours. */
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 4096)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float *x, float *y, int N)
{
    int begin = blockIdx.x * 4096 + threadIdx.x;
    for (int k = 0; k < 16; k++)
        if (begin + k * 256 < N)
            y[begin + k * 256] = fmaxf(x[begin + k * 256], 0.0f);
}
