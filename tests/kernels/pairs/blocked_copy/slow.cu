/* Every thread takes 16 neighbouring elements: the lanes of a warp are 64 bytes apart. */
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 4096)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float *x, float *y, int N)
{
    int begin = (blockIdx.x * 256 + threadIdx.x) * 16;
    for (int k = 0; k < 16; k++)
        if (begin + k < N)
            y[begin + k] = fmaxf(x[begin + k], 0.0f);
}
