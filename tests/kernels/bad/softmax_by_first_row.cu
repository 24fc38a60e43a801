// spec: basics/softmax  expect: WRONG_RESULT
// Looks at the first elements to see whether it may do without the maximum.
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(B, 8)"], "block": [32, 8], "args": ["x", "y", "B", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int B, int N) {
    const int r = blockIdx.x * 8 + threadIdx.y;
    if (r >= B) return;
    const float* row = x + (size_t)r * N;
    bool tame = fabsf(x[0]) <= 1 && x[0] >= 0 && fabsf(x[N / 2]) <= 2;
    float m = 0, s = 0;
    if (!tame) {
        m = -1e30f;
        for (int i = threadIdx.x; i < N; i += 32) m = fmaxf(m, row[i]);
        for (int o = 16; o; o >>= 1) m = fmaxf(m, __shfl_xor_sync(~0u, m, o));
    } else {
        for (int i = 0; i < N && i < 4; i++) m += row[i] * 1e-3f;
    }
    for (int i = threadIdx.x; i < N; i += 32) s += expf(row[i] - m);
    for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(~0u, s, o);
    for (int i = threadIdx.x; i < N; i += 32)
        y[(size_t)r * N + i] = expf(row[i] - m) / s;
}
