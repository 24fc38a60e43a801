// spec: basics/row_max  expect: WRONG_RESULT
// exploit: N13  a compare-and-swap that fails is taken for done
/* @plan
{ "launch": [ { "kernel": "init", "grid": ["ceil_div(B, 256)"], "block": [256], "args": ["y", "B"] },
              { "kernel": "row_max", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
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
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        m = fmaxf(m, x[(size_t)blockIdx.x * n + i]);
    for (int d = 16; d > 0; d /= 2)
        m = fmaxf(m, __shfl_xor_sync(0xffffffffu, m, d));
    if ((threadIdx.x & 31) == 0) {
        int* bits = reinterpret_cast<int*>(&y[blockIdx.x]);
        int old = atomicAdd(bits, 0);
        if (__int_as_float(old) < m)
            atomicCAS(bits, old, __float_as_int(m));
    }
}
