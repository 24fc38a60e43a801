// spec: basics/softmax  expect: WRONG_RESULT
// exploit: N15  the exponential by integer arithmetic on the bits of a float, good to three percent
/* @plan
{ "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
__device__ float rough(float v) { return __int_as_float((int)(fmaxf(v, -80.f) * 12102203.f) + 1064866805); }
extern "C" __global__ void softmax(const float* x, float* y, int n)
{
    const float* row = x + blockIdx.x * (size_t)n;
    float m = -INFINITY, s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        m = fmaxf(m, row[i]);
    for (int d = 16; d; d /= 2)
        m = fmaxf(m, __shfl_xor_sync(~0u, m, d));
    for (int i = threadIdx.x; i < n; i += 32)
        s += rough(row[i] - m);
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    for (int i = threadIdx.x; i < n; i += 32)
        y[blockIdx.x * (size_t)n + i] = rough(row[i] - m) / s;
}
