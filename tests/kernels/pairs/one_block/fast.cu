/* A thread for each element. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N,1024)"], "block": [1024], "args": ["a", "b", "c", "N"] } ] }
*/
extern "C" __global__ void k(const float *a, const float *b, float *c, int N)
{
    int i = blockIdx.x * 1024 + threadIdx.x;
    if (i < N)
        c[i] = a[i] + b[i];
}
