/* None. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    for (int i = threadIdx.x; i < N; i += 256)
        y[(size_t)blockIdx.x * N + i] = fmaxf(x[(size_t)blockIdx.x * N + i], 0.f);
}
