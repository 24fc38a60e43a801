/* Exponentials, their sum and the quotient in three launches. */
/* @plan
{ "scratch": [ {"name":"t","dtype":"f32","count":"B*N"},{"name":"r","dtype":"f32","count":"B"} ], "launch": [ { "kernel": "e", "grid": ["ceil_div(N,256)", "B"], "block": [256], "args": ["x", "t", "N"] }, { "kernel": "s", "grid": ["B"], "block": [256], "args": ["t", "r", "N"] }, { "kernel": "d", "grid": ["ceil_div(N,256)", "B"], "block": [256], "args": ["t", "r", "y", "N"] } ] }
*/
extern "C" __global__ void e(const float *x, float *t, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N)
        t[(size_t)blockIdx.y * N + i] = expf(x[(size_t)blockIdx.y * N + i]);
}
extern "C" __global__ void s(const float *t, float *r, int N)
{
    __shared__ float w[8];
    float v = 0;
    for (int i = threadIdx.x; i < N; i += 256)
        v += t[(size_t)blockIdx.x * N + i];
    for (int o = 16; o; o >>= 1)
        v += __shfl_xor_sync(~0u, v, o);
    if (threadIdx.x % 32 == 0)
        w[threadIdx.x / 32] = v;
    __syncthreads();
    if (threadIdx.x == 0) {
        v = 0;
        for (int j = 0; j < 8; j++)
            v += w[j];
        r[blockIdx.x] = v;
    }
}
extern "C" __global__ void d(const float *t, const float *r, float *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N)
        y[(size_t)blockIdx.y * N + i] = t[(size_t)blockIdx.y * N + i] / r[blockIdx.y];
}
