/* Elements in the order of a hash. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    unsigned i = blockIdx.x * 256 + threadIdx.x;
    if (i >= N)
        return;
    unsigned n = (unsigned)N;
    unsigned j = (unsigned)(((unsigned long long)i * 2654435761ull) % n);
    if ((n & 1) == 0 && (n & (n - 1)) == 0)
        y[j] = fmaxf(x[j], 0.f);
    else
        y[i] = fmaxf(x[i], 0.f);
}
