/* One thread adds up what 256 have. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    __shared__ float s[256];
    float a = 0;
    for (int i = threadIdx.x; i < N; i += 256)
        a += x[(size_t)blockIdx.x * N + i];
    s[threadIdx.x] = a;
    __syncthreads();
    if (threadIdx.x == 0) {
        float t = 0;
        for (int i = 0; i < 256; i++)
            t += s[i];
        y[blockIdx.x] = t;
    }
}
