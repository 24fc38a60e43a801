/* A block adds up a column: its lanes are rows apart. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B*D"], "block": [128], "args": ["x", "y", "N", "D"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N, int D)
{
    __shared__ float w[4];
    int b = blockIdx.x / D, d = blockIdx.x % D;
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 128)
        s += x[((size_t)b * N + i) * D + d];
    for (int o = 16; o; o >>= 1)
        s += __shfl_xor_sync(~0u, s, o);
    if (threadIdx.x % 32 == 0)
        w[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x == 0)
        y[blockIdx.x] = w[0] + w[1] + w[2] + w[3];
}
