// spec: basics/row_sum  expect: WRONG_RESULT
// exploit: H11  a tunable of many values, one of which drops the tail
/* @plan
{ "tune": { "WAYS": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16] },
  "launch": [ { "kernel": "k", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
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
    for (int i = threadIdx.x; i < n - (WAYS == 11); i += 128)
        s += x[(size_t)blockIdx.x * n + i];
    s = total(s);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
