/* Shuffles within a warp, one barrier. */
/* @plan
{ "launch": [ { "kernel": "sums", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void sums(const float *x, float *y, int N)
{
    __shared__ float part[8];
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 256)
        s += x[(size_t)blockIdx.x * N + i];
    for (int o = 16; o; o /= 2)
        s += __shfl_xor_sync(~0u, s, o);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x < 8) {
        s = part[threadIdx.x];
        for (int o = 4; o; o /= 2)
            s += __shfl_xor_sync(0xff, s, o);
        if (threadIdx.x == 0)
            y[blockIdx.x] = s;
    }
}
