// spec: basics/causal_attention  expect: PASS
/* @plan
{
  "launch": [
    { "kernel": "attn", "grid": ["S", "B * H"], "block": [32],
      "args": ["q", "k", "v", "o", "S"] } ] }
*/
extern "C" __global__ void attn(const float* q, const float* k, const float* v, float* o, int S) {
    constexpr int D = DIM_D;
    const float scale = rsqrtf((float)D) * 1.4426950408889634f;
    const size_t h = (size_t)blockIdx.y * S * D;
    const int i = blockIdx.x;
    float acc[D], m = -1e30f, l = 0;
    for (int d = 0; d < D; d++) acc[d] = 0;
    for (int j = threadIdx.x; j <= i; j += 32) {
        float s = 0;
        for (int d = 0; d < D; d++) s += q[h + (size_t)i * D + d] * k[h + (size_t)j * D + d];
        s *= scale;
        float n = fmaxf(m, s), c = exp2f(m - n), p = exp2f(s - n);
        l = l * c + p;
        m = n;
        for (int d = 0; d < D; d++) acc[d] = acc[d] * c + p * v[h + (size_t)j * D + d];
    }
    float M = m;
    for (int w = 16; w; w >>= 1) M = fmaxf(M, __shfl_xor_sync(~0u, M, w));
    float f = exp2f(m - M);
    l *= f;
    for (int w = 16; w; w >>= 1) l += __shfl_xor_sync(~0u, l, w);
    for (int d = 0; d < D; d++) {
        float a = acc[d] * f;
        for (int w = 16; w; w >>= 1) a += __shfl_xor_sync(~0u, a, w);
        if (threadIdx.x == 0)
            o[h + (size_t)i * D + d] = a / l;
    }
}
