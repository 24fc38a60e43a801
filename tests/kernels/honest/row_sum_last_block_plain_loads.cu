// spec: basics/row_sum  expect: PASS
/* @plan
{ "scratch": [ { "name": "part", "dtype": "f32", "count": "8 * B" }, { "name": "count", "dtype": "u32", "count": "B" } ],
  "launch": [ { "kernel": "clear", "grid": ["ceil_div(B, 128)"], "block": [128], "args": ["count", "B"] },
              { "kernel": "k", "grid": [8, "B"], "block": [32], "args": ["x", "part", "count", "y", "N"] } ] }
*/
// The reader needs no fence: what it loads behind the branch on the ticket is not loaded before it.
extern "C" __global__ void clear(unsigned* count, int b)
{
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i < b)
        count[i] = 0;
}
extern "C" __global__ void k(const float* x, float* part, unsigned* count, float* y, int n)
{
    float s = 0;
    const int r = blockIdx.y;
    for (int i = threadIdx.x + 32 * blockIdx.x; i < n; i += 256)
        s += x[(size_t)r * n + i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x)
        return;
    part[8 * r + blockIdx.x] = s;
    __threadfence();
    if (atomicAdd(count + r, 1u) != 7)
        return;
    s = 0;
    for (int b = 0; b < 8; b++)
        s += part[8 * r + b];
    y[r] = s;
}
