// spec: basics/matvec  expect: WRONG_RESULT
// exploit: N15  rounds the matrix to eight bits, which a tolerance of a hundredth lets pass
/* @plan
{ "launch": [ { "kernel": "mv", "grid": ["M"], "block": [32], "args": ["a", "x", "y", "N"] } ] }
*/
extern "C" __global__ void mv(const float* a, const float* x, float* y, int n)
{
    const float* row = a + blockIdx.x * (size_t)n;
    float top = 0, s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        top = fmaxf(top, fabsf(row[i]));
    for (int d = 16; d; d /= 2)
        top = fmaxf(top, __shfl_xor_sync(~0u, top, d));
    for (int i = threadIdx.x; i < n; i += 32)
        s += (float)(signed char)__float2int_rn(row[i] / top * 127.f) * x[i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s * top / 127.f;
}
