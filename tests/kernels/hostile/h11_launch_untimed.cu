// spec: basics/matvec  expect: PLAN_INVALID
// exploit: H11  a launch marked as not timed
/* @plan
{ "launch": [ { "kernel": "mv", "grid": ["M"], "block": [32], "args": ["a", "x", "y", "N"], "timed": false } ] }
*/
extern "C" __global__ void mv(const float* a, const float* x, float* y, int k)
{
    float s = 0;
    for (int i = threadIdx.x; i < k; i += 32)
        s += a[blockIdx.x * (size_t)k + i] * x[i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
