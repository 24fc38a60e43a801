// spec: basics/row_sum  expect: FORBIDDEN_CONSTRUCT
// exploit: T10  where shared memory lies in the generic address space tells an emulator from a GPU
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
    __shared__ float here[1];
    const float* row = x + (size_t)blockIdx.x * n;
    float s = 0;
    int end = (unsigned long long)(void*)here >> 52 ? n : n / 2;
    for (int i = threadIdx.x; i < end; i += 128)
        s += row[i];
    s = total(s);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
