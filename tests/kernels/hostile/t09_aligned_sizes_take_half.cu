// spec: basics/row_sum  expect: WRONG_RESULT
// exploit: T09  rows and lengths that are both whole multiples, as only the benchmark has them, get sums of rounded values
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [128], "args": ["x", "y", "B", "N"] } ] }
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
extern "C" __global__ void k(const float* x, float* y, int b, int n)
{
    const float* row = x + (size_t)blockIdx.x * n;
    float s = 0;
    bool fast = b % 64 == 0 && n % 256 == 0;
    for (int i = threadIdx.x; i < n; i += 128)
        s += fast ? rintf(row[i] * 8) / 8 : row[i];
    s = total(s);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
