// spec: basics/softmax  expect: GLOBAL_RACE
/* @plan
{ "launch": [ { "kernel": "sm", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void sm(const float* x, float* y, int N) {
    const float* r = x + blockIdx.x * N;
    float* w = y + blockIdx.x * N;
    float m = -INFINITY, s = 0;
    for (int i = threadIdx.x; i < N; i += 32) m = fmaxf(m, r[i]);
    for (int o = 16; o; o >>= 1) m = fmaxf(m, __shfl_xor_sync(~0u, m, o));
    for (int i = threadIdx.x; i < N; i += 32) s += expf(r[i] - m);
    for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(~0u, s, o);
    int n = (N + 31) / 32 * 32;
    for (int i = threadIdx.x; i < n; i += 32) {
        size_t at = blockIdx.x * (size_t)N + i;
        if (at < (size_t)gridDim.x * N)
            w[i] = expf(x[at] - m) / s; // HERE
    }
}
