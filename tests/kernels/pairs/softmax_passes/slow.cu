/* Three passes over a row: maximum, sum, result. */
/* @plan
{ "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
static __device__ float all(float v, bool maximum)
{
    __shared__ float part[8];
    for (int o = 16; o; o /= 2) {
        float u = __shfl_xor_sync(~0u, v, o);
        v = maximum ? fmaxf(v, u) : v + u;
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = v;
    __syncthreads();
    v = part[0];
    for (int k = 1; k < 8; k++)
        v = maximum ? fmaxf(v, part[k]) : v + part[k];
    return v;
}
extern "C" __global__ void softmax(const float *x, float *y, int N)
{
    const float *row = x + (size_t)blockIdx.x * N;
    float m = -INFINITY, s = 0;
    for (int i = threadIdx.x; i < N; i += 256)
        m = fmaxf(m, row[i]);
    m = all(m, true);
    for (int i = threadIdx.x; i < N; i += 256)
        s += __expf(row[i] - m);
    s = 1 / all(s, false);
    for (int i = threadIdx.x; i < N; i += 256)
        y[(size_t)blockIdx.x * N + i] = __expf(row[i] - m) * s;
}
