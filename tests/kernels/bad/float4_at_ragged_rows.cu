// spec: basics/softmax  expect: MISALIGNED
/* @plan
{ "launch": [ { "kernel": "sm", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void sm(const float* x, float* y, int N) {
    const float* r = x + blockIdx.x * N;
    float* w = y + blockIdx.x * N;
    float m = -INFINITY, s = 0;
    int n4 = N / 4;
    for (int i = threadIdx.x; i < n4; i += 32) {
        float4 v = ((const float4*)r)[i]; // HERE
        m = fmaxf(fmaxf(fmaxf(v.x, v.y), fmaxf(v.z, v.w)), m);
    }
    for (int i = n4 * 4 + threadIdx.x; i < N; i += 32) m = fmaxf(m, r[i]);
    for (int o = 16; o; o >>= 1) m = fmaxf(m, __shfl_xor_sync(~0u, m, o));
    for (int i = threadIdx.x; i < N; i += 32) s += expf(r[i] - m);
    for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(~0u, s, o);
    for (int i = threadIdx.x; i < N; i += 32) w[i] = expf(r[i] - m) / s;
}
