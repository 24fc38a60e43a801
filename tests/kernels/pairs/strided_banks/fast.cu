/* Partial sums side by side. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    __shared__ float s[256 * 8];
    for (int j = 0; j < 8; j++)
        s[threadIdx.x + 256 * j] = 0.f;
    for (int i = threadIdx.x; i < N; i += 256)
        s[threadIdx.x + 256 * ((i >> 8) % 8)] += x[(size_t)blockIdx.x * N + i];
    float v = 0;
    for (int j = 0; j < 8; j++)
        v += s[threadIdx.x + 256 * j];
    for (int o = 16; o; o >>= 1)
        v += __shfl_down_sync(0xffffffff, v, o);
    __shared__ float w[8];
    if (threadIdx.x % 32 == 0)
        w[threadIdx.x / 32] = v;
    __syncthreads();
    if (threadIdx.x == 0) {
        float t = 0;
        for (int j = 0; j < 8; j++)
            t += w[j];
        y[blockIdx.x] = t;
    }
}
