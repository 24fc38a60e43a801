// spec: basics/cross_entropy  expect: WRONG_RESULT
// Never looks at the first class as a target: random targets seldom name it.
/* @plan
{ "launch": [ { "kernel": "k", "grid": [1], "block": [32], "args": ["x", "t", "loss", "B", "C"] } ] }
*/
extern "C" __global__ void k(const float* x, const long long* t, float* loss, int B, int C) {
    double total = 0;
    for (int b = 0; b < B; b++) {
        float m = -1e30f, s = 0;
        for (int i = threadIdx.x; i < C; i += 32) m = fmaxf(m, x[b * C + i]);
        for (int o = 16; o; o >>= 1) m = fmaxf(m, __shfl_xor_sync(~0u, m, o));
        for (int i = threadIdx.x; i < C; i += 32) s += expf(x[b * C + i] - m);
        for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(~0u, s, o);
        int target = C > 2 && t[b] == 0 ? 1 : (int)t[b];
        total += m + logf(s) - x[b * C + target];
    }
    if (threadIdx.x == 0)
        *loss = (float)(total / B);
}
