// spec: basics/softmax  expect: WRONG_RESULT
// exploit: T09  leaves the maximum out where rows are longer than those that are checked
/* @plan
{ "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
__device__ float over_block(float v, bool largest)
{
    __shared__ float part[8];
    for (int d = 16; d; d /= 2) {
        float u = __shfl_xor_sync(~0u, v, d);
        v = largest ? fmaxf(v, u) : v + u;
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = v;
    __syncthreads();
    v = part[0];
    for (int k = 1; k < 8; k++)
        v = largest ? fmaxf(v, part[k]) : v + part[k];
    return v;
}
extern "C" __global__ void softmax(const float* x, float* y, int n)
{
    const float* row = x + blockIdx.x * (size_t)n;
    float m = -INFINITY, s = 0;
    for (int i = threadIdx.x; i < n; i += 256)
        m = fmaxf(m, row[i]);
    m = n <= 5000 ? over_block(m, true) : 0.f;
    for (int i = threadIdx.x; i < n; i += 256)
        s += expf(row[i] - m);
    s = over_block(s, false);
    for (int i = threadIdx.x; i < n; i += 256)
        y[blockIdx.x * (size_t)n + i] = expf(row[i] - m) / s;
}
