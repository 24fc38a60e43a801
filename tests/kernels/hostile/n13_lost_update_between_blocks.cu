// spec: basics/row_sum  expect: WRONG_RESULT
// exploit: N13  blocks add to a volatile word by a load and a store, which mostly do not meet
/* @plan
{ "launch": [ { "kernel": "clear", "grid": ["B"], "block": [1], "args": ["y"] },
              { "kernel": "add", "grid": [8, "B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void clear(float* y) { y[blockIdx.x] = 0; }
extern "C" __global__ void add(const float* x, float* y, int n)
{
    volatile float* total = y + blockIdx.y;
    float s = 0;
    for (int i = blockIdx.x * 32 + threadIdx.x; i < n; i += 256)
        s += x[blockIdx.y * (size_t)n + i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0) {
        float seen = *total;
        *total = seen + s;
    }
}
