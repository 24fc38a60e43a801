/* The channel is an axis of the grid. */
/* @plan
{ "launch": [ { "kernel": "add", "grid": ["ceil_div(H * W, 256)", "N * C"], "block": [256], "args": ["x", "b", "y", "C", "H * W"] } ] }
*/
extern "C" __global__ void add(const float *x, const float *b, float *y, int C, int plane)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    size_t begin = (size_t)blockIdx.y * plane;
    if (i < plane)
        y[begin + i] = x[begin + i] + b[blockIdx.y % C];
}
