/* 4 bytes a lane. */
/* @plan
{ "launch": [ { "kernel": "add", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["a", "b", "c", "N"] } ] }
*/
extern "C" __global__ void add(const float *a, const float *b, float *c, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N)
        c[i] = a[i] + b[i];
}
