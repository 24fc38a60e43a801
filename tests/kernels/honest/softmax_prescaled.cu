// spec: basics/softmax  expect: PASS
/* @plan
{ "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void softmax(const float* x, float* y, int N) {
    const float L = 1.4426950408889634f;
    const float* r = x + blockIdx.x * N;
    float m = -INFINITY, s = 0;
    for (int i = threadIdx.x; i < N; i += 32) m = fmaxf(m, __fmul_rn(r[i], L));
    for (int o = 16; o; o >>= 1) m = fmaxf(m, __shfl_xor_sync(~0u, m, o));
    for (int i = threadIdx.x; i < N; i += 32) s += exp2f(__fsub_rn(__fmul_rn(r[i], L), m));
    for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(~0u, s, o);
    for (int i = threadIdx.x; i < N; i += 32)
        y[blockIdx.x * N + i] = exp2f(__fsub_rn(__fmul_rn(r[i], L), m)) / s;
}
