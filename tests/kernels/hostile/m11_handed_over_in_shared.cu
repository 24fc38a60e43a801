// spec: basics/matvec  expect: UNINITIALIZED_READ
// exploit: M11  the first kernel leaves the vector in shared memory for the second
/* @plan
{ "launch": [ { "kernel": "leave", "grid": [132], "block": [256], "args": ["x", "N"] },
              { "kernel": "mv", "grid": ["M"], "block": [256], "args": ["a", "y", "N"] } ] }
*/
extern "C" __global__ void leave(const float* x, int n)
{
    __shared__ float v[8192];
    for (int i = threadIdx.x; i < n && i < 8192; i += 256)
        v[i] = x[i];
    __syncthreads();
    if (v[threadIdx.x % (n < 8192 ? n : 8192)] == 1e30f)
        __trap();
}
extern "C" __global__ void mv(const float* a, float* y, int n)
{
    __shared__ float v[8192];
    __shared__ float part[8];
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 256)
        s += a[blockIdx.x * (size_t)n + i] * v[i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int w = 1; w < 8; w++)
            s += part[w];
        y[blockIdx.x] = s;
    }
}
