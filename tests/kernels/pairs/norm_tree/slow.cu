/* A tree in shared memory for each row of 128. */
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
    s[threadIdx.x] = a;
    __syncthreads();
    for (unsigned st = 64; st > 0; st >>= 1) {
        if (threadIdx.x < st)
            s[threadIdx.x] += s[threadIdx.x + st];
        __syncthreads();
    }
    a = s[0];
    float q = rsqrtf(a / N + 1e-6f);
    for (int i = threadIdx.x; i < N; i += 128)
        y[(size_t)blockIdx.x * N + i] = x[(size_t)blockIdx.x * N + i] * q;
}
