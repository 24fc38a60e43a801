// spec: basics/conv2d  expect: PASS
// Four outputs of a row a thread, weights through the read-only cache.
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(W, 128)", "H", "N * K"], "block": [32], "args": ["x", "w", "b", "y", "C", "K", "H", "W"] } ] }
*/
extern "C" __global__ void k(const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ b, float* __restrict__ y, int C, int K, int H, int W)
{
    const int q0 = blockIdx.x * 128 + threadIdx.x * 4, r = blockIdx.y, n = blockIdx.z / K, f = blockIdx.z % K;
    float s[4] = {b[f], b[f], b[f], b[f]};
    for (int c = 0; c < C; c++)
        for (int a = 0; a < 3; a++) {
            const int row = r + a - 1;
            if (row < 0 || row >= H)
                continue;
            const float* line = x + (((size_t)n * C + c) * H + row) * W;
            const float* f3 = w + ((size_t)f * C + c) * 9 + a * 3;
            float v[6];
            #pragma unroll
            for (int i = 0; i < 6; i++)
                v[i] = q0 + i - 1 >= 0 && q0 + i - 1 < W ? __ldg(line + q0 + i - 1) : 0.f;
            #pragma unroll
            for (int i = 0; i < 4; i++)
                s[i] += v[i] * __ldg(f3) + v[i + 1] * __ldg(f3 + 1) + v[i + 2] * __ldg(f3 + 2);
        }
    for (int i = 0; i < 4; i++)
        if (q0 + i < W)
            y[(((size_t)n * K + f) * H + r) * W + q0 + i] = s[i];
}
