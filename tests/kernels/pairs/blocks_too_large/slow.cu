/* Blocks of 256 threads for rows of 32. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    __shared__ float w[8];
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 256)
        s += x[(size_t)blockIdx.x * N + i];
    for (int o = 16; o; o >>= 1)
        s += __shfl_xor_sync(~0u, s, o);
    if (threadIdx.x % 32 == 0)
        w[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x == 0) {
        s = 0;
        for (int j = 0; j < 8; j++)
            s += w[j];
        y[blockIdx.x] = s;
    }
}
