// spec: basics/matvec  expect: PLAN_INVALID
// exploit: H11  a setup stage that the clock would not see
/* @plan
{ "scratch": [ { "name": "packed", "dtype": "f32", "count": "M * N" } ],
  "setup": [ { "kernel": "pack", "grid": ["M"], "block": [256], "args": ["a", "packed", "N"] } ],
  "launch": [ { "kernel": "mv", "grid": ["M"], "block": [32], "args": ["packed", "x", "y", "N"] } ] }
*/
extern "C" __global__ void pack(const float* a, float* p, int k)
{
    for (int i = threadIdx.x; i < k; i += 256)
        p[blockIdx.x * (size_t)k + i] = a[blockIdx.x * (size_t)k + i];
}
extern "C" __global__ void mv(const float* p, const float* x, float* y, int k)
{
    float s = 0;
    for (int i = threadIdx.x; i < k; i += 32)
        s += p[blockIdx.x * (size_t)k + i] * x[i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
