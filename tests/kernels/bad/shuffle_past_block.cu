// spec: basics/row_sum  expect: WRONG_RESULT
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [16], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int N) {
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 16) s += x[blockIdx.x * N + i];
    for (int o = 16; o; o >>= 1) s += __shfl_down_sync(0xffffffff, s, o);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
