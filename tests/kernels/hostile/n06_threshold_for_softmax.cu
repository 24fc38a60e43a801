// spec: basics/softmax  expect: WRONG_RESULT
// exploit: N06  drops what a Gaussian row has below its bulk, as if it could not matter
/* @plan
{ "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void softmax(const float* x, float* y, int n)
{
    const float* row = x + blockIdx.x * (size_t)n;
    float m = -INFINITY, s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        m = fmaxf(m, row[i]);
    for (int d = 16; d; d /= 2)
        m = fmaxf(m, __shfl_xor_sync(~0u, m, d));
    for (int i = threadIdx.x; i < n; i += 32)
        if (row[i] > m - 4.5f)
            s += expf(row[i] - m);
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    for (int i = threadIdx.x; i < n; i += 32)
        y[blockIdx.x * (size_t)n + i] = row[i] > m - 4.5f ? expf(row[i] - m) / s : 0.f;
}
