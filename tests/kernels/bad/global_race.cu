// spec: basics/row_sum  expect: GLOBAL_RACE
/* @plan
{ "launch": [ { "kernel": "clear", "grid": ["B"], "block": [1], "args": ["y"] },
              { "kernel": "row_sum", "grid": ["ceil_div(N, 128)", "B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void clear(float* y) { y[blockIdx.x] = 0; }

extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    float s = 0;
    for (int i = blockIdx.x * 128 + threadIdx.x; i < min(n, (int)(blockIdx.x + 1) * 128); i += 32)
        s += x[(size_t)blockIdx.y * n + i];
    for (int d = 16; d; d >>= 1)
        s += __shfl_xor_sync(0xffffffffu, s, d);
    if (threadIdx.x == 0)
        y[blockIdx.y] += s; // HERE
}
