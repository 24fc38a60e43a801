// spec: basics/softmax  expect: INPUT_MODIFIED
/* @plan
{ "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void softmax(float* x, float* y, int n)
{
    float *row = x + (size_t)blockIdx.x * n, m = -INFINITY, s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        m = fmaxf(m, row[i]);
    for (int d = 16; d; d >>= 1)
        m = fmaxf(m, __shfl_xor_sync(0xffffffffu, m, d));
    for (int i = threadIdx.x; i < n; i += 32)
        s += row[i] = expf(row[i] - m); // the exponentials need a place of their own
    for (int d = 16; d; d >>= 1)
        s += __shfl_xor_sync(0xffffffffu, s, d);
    for (int i = threadIdx.x; i < n; i += 32)
        y[(size_t)blockIdx.x * n + i] = row[i] / s;
}
