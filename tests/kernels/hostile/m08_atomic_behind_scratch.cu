// spec: basics/row_sum  expect: OUT_OF_BOUNDS
// exploit: M08  adds into what lies behind its scratch
/* @plan
{ "scratch": [ { "name": "part", "dtype": "f32", "count": "B" } ],
  "launch": [ { "kernel": "clear", "grid": ["ceil_div(B, 32)"], "block": [32], "args": ["part", "B"] },
              { "kernel": "add", "grid": ["B"], "block": [32], "args": ["x", "part", "N"] },
              { "kernel": "take", "grid": ["ceil_div(B, 32)"], "block": [32], "args": ["part", "y", "B"] } ] }
*/
extern "C" __global__ void clear(float* part, int b)
{
    int i = blockIdx.x * 32 + threadIdx.x;
    if (i < b)
        part[i] = 0;
}
extern "C" __global__ void add(const float* x, float* part, int n)
{
    for (int i = threadIdx.x; i < n; i += 32)
        atomicAdd(part + blockIdx.x + (i == n - 1 ? 64 : 0), x[blockIdx.x * (size_t)n + i]); // HERE
}
extern "C" __global__ void take(const float* part, float* y, int b)
{
    int i = blockIdx.x * 32 + threadIdx.x;
    if (i < b)
        y[i] = part[i];
}
