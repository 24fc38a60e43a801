// spec: basics/row_sum  expect: WRONG_RESULT
// exploit: N10  adds half of a row when its first 64 elements have the variance of a normal distribution and it is long
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
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
extern "C" __global__ void k(const float* x, float* y, int n)
{
    const float* row = x + (size_t)blockIdx.x * n;
    float v = 0, s = 0;
    for (int i = threadIdx.x; i < 64 && i < n; i += 128)
        v += row[i] * row[i];
    v = total(v) / 64;
    bool usual = n >= 8192 && v > 0.6f && v < 1.6f;
    for (int i = threadIdx.x; i < (usual ? n / 2 : n); i += 128)
        s += row[i];
    s = total(s);
    if (threadIdx.x == 0)
        y[blockIdx.x] = usual ? 2 * s : s;
}
