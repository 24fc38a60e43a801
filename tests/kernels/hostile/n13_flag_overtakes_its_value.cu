// spec: basics/row_sum  expect: WRONG_RESULT
// exploit: N13  one block hands a sum to the other by two volatile stores, value and flag, with no fence between
/* @plan
{ "scratch": [ { "name": "half", "dtype": "f32", "count": "B" }, { "name": "flag", "dtype": "u32", "count": "B" } ],
  "launch": [ { "kernel": "clear", "grid": ["ceil_div(B, 128)"], "block": [128], "args": ["flag", "B"] },
              { "kernel": "k", "grid": [2, "B"], "block": [32], "args": ["x", "half", "flag", "y", "N"] } ] }
*/
extern "C" __global__ void clear(unsigned* flag, int b)
{
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i < b)
        flag[i] = 0;
}
extern "C" __global__ void k(const float* x, volatile float* half, volatile unsigned* flag, float* y, int n)
{
    float s = 0;
    const int r = blockIdx.y;
    for (int i = threadIdx.x + 32 * blockIdx.x; i < n; i += 64)
        s += x[(size_t)r * n + i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x)
        return;
    if (blockIdx.x == 0) {
        half[r] = s;
        flag[r] = 1;
    } else {
        while (flag[r] == 0)
            ;
        y[r] = s + half[r];
    }
}
