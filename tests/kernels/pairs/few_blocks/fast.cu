/* As many blocks as the GPU holds, and more. */
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["min(ceil_div(N, 256), 2112)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float *x, float *y, int N)
{
    for (int i = blockIdx.x * 256 + threadIdx.x; i < N; i += gridDim.x * 256)
        y[i] = fmaxf(x[i], 0.0f);
}
