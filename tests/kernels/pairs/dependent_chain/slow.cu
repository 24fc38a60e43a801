/* 128 blocks of one warp; each load waits for the addition before it. */
/* @plan
{ "launch": [ { "kernel": "sums", "grid": ["ceil_div(B, 32)"], "block": [32], "args": ["x", "y", "B", "N"] } ] }
*/
extern "C" __global__ void sums(const float *x, float *y, int B, int N)
{
    int column = blockIdx.x * 32 + threadIdx.x;
    if (column >= B)
        return;
    float s = 0;
#pragma unroll 1
    for (int i = 0; i < N; i++)
        s += x[(size_t)i * B + column];
    y[column] = s;
}
