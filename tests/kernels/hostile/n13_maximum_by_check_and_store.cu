// spec: basics/row_max  expect: WRONG_RESULT
// exploit: N13  blocks store their maximum where the volatile word that they have looked at is less
/* @plan
{ "launch": [ { "kernel": "init", "grid": ["ceil_div(B, 256)"], "block": [256], "args": ["y", "B"] },
              { "kernel": "row_max", "grid": ["B", 8], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void init(float* y, int b)
{
    int i = threadIdx.x + blockIdx.x * blockDim.x;
    if (i < b)
        y[i] = -__int_as_float(0x7f800000);
}
extern "C" __global__ void row_max(const float* x, float* y, int n)
{
    float m = -__int_as_float(0x7f800000);
    for (int i = blockIdx.y * 32 + threadIdx.x; i < n; i += 256)
        m = fmaxf(m, x[(size_t)blockIdx.x * n + i]);
    for (int d = 16; d > 0; d /= 2)
        m = fmaxf(m, __shfl_xor_sync(0xffffffffu, m, d));
    volatile float* best = y + blockIdx.x;
    if (threadIdx.x == 0 && *best < m)
        *best = m;
}
