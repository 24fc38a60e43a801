/* Four launches of 64 blocks. */
/* @plan
{ "scratch": [ { "name": "a", "dtype": "f32", "count": "N" }, { "name": "b", "dtype": "f32", "count": "N" }, { "name": "c", "dtype": "f32", "count": "N" } ],
  "launch": [ { "kernel": "one", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "a", "N"] },
              { "kernel": "two", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["a", "x", "b", "N"] },
              { "kernel": "three", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["b", "c", "N"] },
              { "kernel": "four", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["c", "x", "y", "N"] } ] }
*/
#define AT (blockIdx.x * 256 + threadIdx.x)
extern "C" __global__ void one(const float *x, float *y, int N)
{
    if (AT < N)
        y[AT] = 1 / (1 + expf(-x[AT]));
}
extern "C" __global__ void two(const float *a, const float *x, float *y, int N)
{
    if (AT < N)
        y[AT] = a[AT] * x[AT];
}
extern "C" __global__ void three(const float *x, float *y, int N)
{
    if (AT < N)
        y[AT] = tanhf(x[AT]);
}
extern "C" __global__ void four(const float *c, const float *x, float *y, int N)
{
    if (AT < N)
        y[AT] = c[AT] + x[AT];
}
