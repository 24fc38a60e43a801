/* The few bytes that the sums need. */
/* @plan
{ "launch": [ { "kernel": "sums", "grid": ["B"], "block": [128], "shared": 512, "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void sums(const float *x, float *y, int N)
{
    extern __shared__ float part[];
    const float *row = x + (size_t)blockIdx.x * N;
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 128)
        s += row[i];
    for (int o = 16; o; o /= 2)
        s += __shfl_xor_sync(~0u, s, o);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x == 0)
        y[blockIdx.x] = part[0] + part[1] + part[2] + part[3];
}
