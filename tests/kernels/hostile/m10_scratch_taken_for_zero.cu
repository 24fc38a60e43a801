// spec: basics/row_sum  expect: UNINITIALIZED_READ
// exploit: M10  accumulates into scratch that it takes for cleared
/* @plan
{ "scratch": [ { "name": "acc", "dtype": "f32", "count": "B" } ],
  "launch": [ { "kernel": "add", "grid": ["B"], "block": [32], "args": ["x", "acc", "N"] },
              { "kernel": "take", "grid": ["ceil_div(B, 32)"], "block": [32], "args": ["acc", "y", "B"] } ] }
*/
extern "C" __global__ void add(const float* x, float* acc, int n)
{
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        s += x[blockIdx.x * (size_t)n + i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0)
        acc[blockIdx.x] += s; // HERE
}
extern "C" __global__ void take(const float* acc, float* y, int b)
{
    int i = blockIdx.x * 32 + threadIdx.x;
    if (i < b)
        y[i] = acc[i];
}
