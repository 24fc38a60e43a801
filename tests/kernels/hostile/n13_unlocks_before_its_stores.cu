// spec: basics/row_sum  expect: WRONG_RESULT
// exploit: N13  a lock between blocks with no fence: who takes it may still see what was there before
/* @plan
{ "scratch": [ { "name": "lock", "dtype": "u32", "count": "B" } ],
  "launch": [ { "kernel": "clear", "grid": ["ceil_div(B, 128)"], "block": [128], "args": ["y", "lock", "B"] },
              { "kernel": "add", "grid": [8, "B"], "block": [32], "args": ["x", "y", "lock", "N"] } ] }
*/
extern "C" __global__ void clear(float* y, unsigned* lock, int b)
{
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i < b)
        y[i] = 0, lock[i] = 0;
}
extern "C" __global__ void add(const float* x, volatile float* y, unsigned* lock, int n)
{
    float s = 0;
    const int r = blockIdx.y;
    for (int i = blockIdx.x * 32 + threadIdx.x; i < n; i += 256)
        s += x[r * (size_t)n + i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x)
        return;
    while (atomicCAS(lock + r, 0u, 1u))
        ;
    y[r] = y[r] + s;
    atomicExch(lock + r, 0u);
}
