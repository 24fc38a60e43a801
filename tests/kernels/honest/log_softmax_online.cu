// spec: basics/log_softmax  expect: PASS
/* @plan
{ "launch": [ { "kernel": "ls", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void ls(const float* x, float* y, int N) {
    const int lane = threadIdx.x;
    x += blockIdx.x * N;
    y += blockIdx.x * N;
    float m = -INFINITY, s = 0.f;
    for (int i = lane; i < N; i += 32) {
        float v = x[i];
        if (v > m) {
            s = s * __expf(m - v) + 1.f;
            m = v;
        } else
            s += __expf(v - m);
    }
    for (int o = 1; o < 32; o <<= 1) {
        float m2 = __shfl_xor_sync(0xffffffff, m, o), s2 = __shfl_xor_sync(0xffffffff, s, o);
        float M = fmaxf(m, m2);
        s = (m == -INFINITY ? 0.f : s * __expf(m - M)) +
            (m2 == -INFINITY ? 0.f : s2 * __expf(m2 - M));
        m = M;
    }
    float l = __logf(s);
    for (int i = lane; i < N; i += 32) y[i] = (x[i] - m) - l;
}
