/* Shuffles. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    __shared__ float s[128];
    float a = 0;
    for (int i = threadIdx.x; i < N; i += 128) {
        float v = x[(size_t)blockIdx.x * N + i];
        a += v * v;
    }
    for (int o = 16; o; o >>= 1)
        a += __shfl_xor_sync(~0u, a, o);
    if (threadIdx.x % 32 == 0)
        s[threadIdx.x / 32] = a;
    __syncthreads();
    a = s[0] + s[1] + s[2] + s[3];
    float q = rsqrtf(a / N + 1e-6f);
    for (int i = threadIdx.x; i < N; i += 128)
        y[(size_t)blockIdx.x * N + i] = x[(size_t)blockIdx.x * N + i] * q;
}
