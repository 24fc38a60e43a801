// spec: basics/row_sum  expect: GLOBAL_RACE
// exploit: N13  a nap in place of a flag: the other blocks will be done by then
/* @plan
{ "scratch": [ { "name": "part", "dtype": "f32", "count": "B * 4" } ],
  "launch": [ { "kernel": "row_sum", "grid": [5, "B"], "block": [32], "args": ["x", "part", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* part, float* y, int n)
{
    int row = blockIdx.y;
    if (blockIdx.x == 4) {
        if (threadIdx.x == 0) {
            for (int i = 0; i < 10; i++)
                __nanosleep(1000000);
            y[row] = part[row * 4] + part[row * 4 + 1] + part[row * 4 + 2] + part[row * 4 + 3];
        }
        return;
    }
    float s = 0;
    for (int i = blockIdx.x * 32 + threadIdx.x; i < n; i += 128)
        s += x[row * (size_t)n + i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0)
        part[row * 4 + blockIdx.x] = s;
}
