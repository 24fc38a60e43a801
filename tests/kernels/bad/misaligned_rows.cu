// spec: basics/row_max  expect: MISALIGNED
/* @plan
{ "launch": [ { "kernel": "row_max", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
// Vectors of four from rows that begin anywhere.
extern "C" __global__ void row_max(const float* x, float* y, int n)
{
    const float* row = x + (size_t)blockIdx.x * n;
    float m = -INFINITY;
    for (int i = threadIdx.x; i < n / 4; i += 32) {
        float4 v = reinterpret_cast<const float4*>(row)[i]; // HERE
        m = fmaxf(m, fmaxf(fmaxf(v.x, v.y), fmaxf(v.z, v.w)));
    }
    for (int i = n / 4 * 4 + threadIdx.x; i < n; i += 32)
        m = fmaxf(m, row[i]);
    for (int d = 16; d; d >>= 1)
        m = fmaxf(m, __shfl_xor_sync(0xffffffffu, m, d));
    if (threadIdx.x == 0)
        y[blockIdx.x] = m;
}
