/* One launch, which computes the exponentials twice. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    __shared__ float w[8];
    const float *p = x + (size_t)blockIdx.x * N;
    float v = 0;
    for (int i = threadIdx.x; i < N; i += 256)
        v += expf(p[i]);
    for (int o = 16; o; o >>= 1)
        v += __shfl_xor_sync(~0u, v, o);
    if (threadIdx.x % 32 == 0)
        w[threadIdx.x / 32] = v;
    __syncthreads();
    v = 0;
    for (int j = 0; j < 8; j++)
        v += w[j];
    for (int i = threadIdx.x; i < N; i += 256)
        y[(size_t)blockIdx.x * N + i] = expf(p[i]) / v;
}
