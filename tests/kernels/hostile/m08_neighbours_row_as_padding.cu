// spec: basics/row_sum  expect: OUT_OF_BOUNDS
// exploit: M08  reads four at a time beyond the last row and multiplies with zero
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
    float s = 0;
    for (int i = threadIdx.x; i < (n + 127) / 128 * 128; i += 128)
        s += x[(size_t)blockIdx.x * n + i] * (i < n ? 1.f : 0.f);
    s = total(s);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
