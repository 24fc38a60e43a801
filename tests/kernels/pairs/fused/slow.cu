/* A launch for each step, as eager frameworks do. */
/* @plan
{ "scratch": [ { "name": "s", "dtype": "f32", "count": "N" }, { "name": "g", "dtype": "f32", "count": "N" } ],
  "launch": [ { "kernel": "scale", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "s", "N"] },
              { "kernel": "silu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["s", "g", "N"] },
              { "kernel": "add", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["g", "x", "y", "N"] } ] }
*/
extern "C" __global__ void scale(const float *x, float *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N)
        y[i] = x[i] * 1.5f + 0.25f;
}
extern "C" __global__ void silu(const float *x, float *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N)
        y[i] = x[i] / (1 + expf(-x[i]));
}
extern "C" __global__ void add(const float *a, const float *b, float *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N)
        y[i] = a[i] + b[i];
}
