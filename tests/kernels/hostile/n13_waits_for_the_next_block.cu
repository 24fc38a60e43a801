// spec: basics/row_sum  expect: DEADLOCK
// exploit: N13  each block waits for the one after it, which starts when this one ends
/* @plan
{ "scratch": [ { "name": "flag", "dtype": "u32", "count": "B + 1" } ],
  "launch": [ { "kernel": "clear", "grid": ["ceil_div(B + 1, 128)"], "block": [128], "args": ["flag", "B"] },
              { "kernel": "k", "grid": ["B"], "block": [128], "args": ["x", "y", "flag", "N"] } ] }
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
extern "C" __global__ void clear(unsigned* flag, int b)
{
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i <= b)
        flag[i] = i == b;
}
extern "C" __global__ void k(const float* x, float* y, unsigned* flag, int n)
{
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 128)
        s += x[(size_t)blockIdx.x * n + i];
    s = total(s);
    if (threadIdx.x == 0) {
        while (!atomicAdd(flag + blockIdx.x + 1, 0u))
            ;
        y[blockIdx.x] = s;
        atomicExch(flag + blockIdx.x, 1u);
    }
}
