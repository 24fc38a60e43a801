/* One block for the whole vector. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": [1], "block": [1024], "args": ["a", "b", "c", "N"] } ] }
*/
extern "C" __global__ void k(const float *a, const float *b, float *c, int N)
{
    for (int i = threadIdx.x; i < N; i += 1024)
        c[i] = a[i] + b[i];
}
