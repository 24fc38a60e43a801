// spec: basics/matvec  expect: WRONG_RESULT
// exploit: N15  leaves out products of small factors, within one percent of the result
/* @plan
{ "launch": [ { "kernel": "mv", "grid": ["M"], "block": [32], "args": ["a", "x", "y", "N"] } ] }
*/
extern "C" __global__ void mv(const float* a, const float* x, float* y, int n)
{
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 32) {
        float v = x[i];
        if (fabsf(v) > 0.01f)
            s += a[blockIdx.x * (size_t)n + i] * v;
    }
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
