// spec: basics/causal_attention  expect: WRONG_RESULT
/* @plan
{
  "launch": [
    { "kernel": "attn", "grid": ["B * H * S"], "block": [1],
      "args": ["q", "k", "v", "o", "S"] } ] }
*/
extern "C" __global__ void attn(const float* q, const float* k, const float* v, float* o, int S) {
    constexpr int D = DIM_D;
    int row = blockIdx.x, i = row % S;
    size_t h = (size_t)(row / S) * S * D;
    float acc[D] = {}, m = -INFINITY, l = 0;
    for (int j = 0; j < max(1, i); j++) {
        float s = 0;
        for (int d = 0; d < D; d++) s += q[(size_t)row * D + d] * k[h + j * D + d];
        s *= rsqrtf(D);
        float n = fmaxf(m, s), a = expf(m - n), p = expf(s - n);
        l = l * a + p;
        m = n;
        for (int d = 0; d < D; d++) acc[d] = acc[d] * a + p * v[h + j * D + d];
    }
    for (int d = 0; d < D; d++) o[(size_t)row * D + d] = acc[d] / l;
}
