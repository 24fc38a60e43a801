/* The sum of a row is kept in global memory. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(M,128)"], "block": [128], "args": ["a", "x", "y", "M", "N"] } ] }
*/
extern "C" __global__ void k(const float *a, const float *x, float *y, int M, int N)
{
    int m = blockIdx.x * 128 + threadIdx.x;
    if (m >= M)
        return;
    y[m] = 0;
    for (int n = 0; n < N; n++)
        y[m] += a[(size_t)m * N + n] * x[n];
}
