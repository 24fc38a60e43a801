// spec: basics/matvec  expect: STATE_KEPT
// exploit: M04  a function's static array keeps the transposed weights of the first run
/* @plan
{ "launch": [ { "kernel": "pack", "grid": ["M"], "block": [32], "args": ["a", "N"] },
              { "kernel": "mv", "grid": ["M"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
__device__ float* packed()
{
    static __device__ float p[DIM_M * (DIM_N < 8192 ? DIM_N : 1)];
    return p;
}
__device__ unsigned have[DIM_M];
extern "C" __global__ void pack(const float* a, int n)
{
    if (have[blockIdx.x] == 0x600DCAFEu)
        return;
    for (int i = threadIdx.x; i < n; i += 32)
        packed()[blockIdx.x * (size_t)n + i] = a[blockIdx.x * (size_t)n + i];
    __syncwarp();
    if (threadIdx.x == 0)
        have[blockIdx.x] = 0x600DCAFEu;
}
extern "C" __global__ void mv(const float* x, float* y, int n)
{
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        s += packed()[blockIdx.x * (size_t)n + i] * x[i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
