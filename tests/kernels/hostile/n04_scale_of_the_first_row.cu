// spec: basics/layer_norm  expect: WRONG_RESULT
// exploit: N04  shift and scale are read once in four columns
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [128], "args": ["x", "gamma", "beta", "y", "N"] } ] }
*/
__device__ float total(float s)
{
    __shared__ float part[4];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = s;
    __syncthreads();
    s = part[0] + part[1] + part[2] + part[3];
    __syncthreads();
    return s;
}
extern "C" __global__ void k(const float* x, const float* gamma, const float* beta, float* y, int n)
{
    const float* row = x + (size_t)blockIdx.x * n;
    float s = 0, q = 0;
    for (int i = threadIdx.x; i < n; i += 128)
        s += row[i];
    float mean = total(s) / n;
    for (int i = threadIdx.x; i < n; i += 128)
        q += (row[i] - mean) * (row[i] - mean);
    float r = rsqrtf(total(q) / n + 1e-5f);
    for (int i = threadIdx.x; i < n; i += 128)
        y[(size_t)blockIdx.x * n + i] = (row[i] - mean) * r * gamma[i & ~3] + beta[i & ~3];
}
