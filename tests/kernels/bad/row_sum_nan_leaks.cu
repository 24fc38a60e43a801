// spec: basics/row_sum  expect: WRONG_RESULT
// Sums a neighbour's row times zero: right for finite numbers, but a NaN there comes through.
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [32], "args": ["x", "y", "B", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int B, int N) {
    float s = 0;
    int other = (blockIdx.x + 1) % B;
    for (int i = threadIdx.x; i < N; i += 32)
        s += x[(size_t)blockIdx.x * N + i] + 0.0f * x[(size_t)other * N + i];
    for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(~0u, s, o);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
