// spec: basics/row_sum  expect: DEADLOCK
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int N) {
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 32) {
        s += x[blockIdx.x * N + i];
        s += 0.f * __shfl_xor_sync(0xffffffff, s, 1); // HERE
    }
    for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(0xffffffff, s, o);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
