/* A thread adds up a column, beside its neighbours. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(D,128)", "B"], "block": [128], "args": ["x", "y", "N", "D"] } ] }
*/
extern "C" __global__ void k(const float *__restrict__ x, float *__restrict__ y, int N, int D)
{
    int d = blockIdx.x * 128 + threadIdx.x, b = blockIdx.y;
    if (d >= D)
        return;
    float s = 0;
#pragma unroll 8
    for (int i = 0; i < N; i++)
        s += x[((size_t)b * N + i) * D + d];
    y[b * D + d] = s;
}
