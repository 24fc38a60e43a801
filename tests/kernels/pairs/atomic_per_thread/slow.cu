/* An atomic addition of every thread to one address. */
/* @plan
{ "launch": [ { "kernel": "clear", "grid": [1], "block": [1], "args": ["y"] },
              { "kernel": "total", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void clear(float *y)
{
    *y = 0;
}
extern "C" __global__ void total(const float *x, float *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N)
        atomicAdd(y, x[i]);
}
