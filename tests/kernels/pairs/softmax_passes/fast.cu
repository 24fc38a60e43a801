/* The row stays in registers: it is read once. */
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
    float v[32], m = -INFINITY, s = 0;
#pragma unroll
    for (int k = 0; k < 32; k++) {
        int i = k * 256 + threadIdx.x;
        v[k] = i < N ? row[i] : -INFINITY;
        m = fmaxf(m, v[k]);
    }
    m = all(m, true);
#pragma unroll
    for (int k = 0; k < 32; k++)
        s += v[k] = __expf(v[k] - m);
    s = 1 / all(s, false);
#pragma unroll
    for (int k = 0; k < 32; k++)
        if (k * 256 + threadIdx.x < N)
            y[(size_t)blockIdx.x * N + k * 256 + threadIdx.x] = v[k] * s;
}
