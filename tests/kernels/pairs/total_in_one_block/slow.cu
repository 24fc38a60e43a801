/* One block adds up 16 million numbers. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": [1], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    __shared__ float w[8];
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 256)
        s += x[i];
    for (int o = 16; o; o >>= 1)
        s += __shfl_xor_sync(~0u, s, o);
    if (threadIdx.x % 32 == 0)
        w[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int j = 1; j < 8; j++)
            s += w[j];
        y[0] = s;
    }
}
