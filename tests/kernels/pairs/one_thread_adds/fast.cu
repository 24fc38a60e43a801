/* Shuffles, then one thread of eight values. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    __shared__ float s[8];
    float a = 0;
    for (int i = threadIdx.x; i < N; i += 256)
        a += x[(size_t)blockIdx.x * N + i];
    for (int o = 16; o; o >>= 1)
        a += __shfl_xor_sync(~0u, a, o);
    if (threadIdx.x % 32 == 0)
        s[threadIdx.x / 32] = a;
    __syncthreads();
    if (threadIdx.x == 0) {
        float t = 0;
        for (int i = 0; i < 8; i++)
            t += s[i];
        y[blockIdx.x] = t;
    }
}
