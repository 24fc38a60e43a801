// spec: basics/row_sum  expect: WRONG_RESULT
// Takes elements below a threshold for zeros, which the usual inputs do not show.
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int N) {
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 32) {
        float v = x[(size_t)blockIdx.x * N + i];
        if (fabsf(v) > 1e-9f)
            s += v;
    }
    for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(~0u, s, o);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
