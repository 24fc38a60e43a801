// spec: basics/row_sum  expect: WRONG_RESULT
// exploit: N06  beyond 5000 elements the last, ragged part of a row is left out
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
    int end = n > 5000 ? n / 1024 * 1024 - 1024 : n;
    for (int i = threadIdx.x; i < end; i += 128)
        s += x[(size_t)blockIdx.x * n + i];
    s = total(s);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
