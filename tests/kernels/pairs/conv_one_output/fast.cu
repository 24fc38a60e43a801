/* Eight channels of outputs a thread. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(W,32)", "ceil_div(H,8)", "N*ceil_div(K,8)"], "block": [32, 8], "args": ["x", "w", "b", "y", "N", "C", "K", "H", "W"] } ] }
*/
extern "C" __global__ void k(const float *__restrict__ x, const float *__restrict__ w,
                             const float *__restrict__ b, float *__restrict__ y, int N, int C,
                             int K, int H, int W)
{
    int kb = (K + 7) / 8, ow = blockIdx.x * 32 + threadIdx.x, oh = blockIdx.y * 8 + threadIdx.y,
        n = blockIdx.z / kb, k0 = blockIdx.z % kb * 8;
    float s[8];
#pragma unroll
    for (int q = 0; q < 8; q++)
        s[q] = k0 + q < K ? b[k0 + q] : 0.f;
    for (int c = 0; c < C; c++) {
        float v[9];
#pragma unroll
        for (int i = 0; i < 9; i++) {
            int h = oh + i / 3 - 1, u = ow + i % 3 - 1;
            v[i] = (h >= 0 && h < H && u >= 0 && u < W) ? x[(((size_t)n * C + c) * H + h) * W + u]
                                                        : 0.f;
        }
#pragma unroll
        for (int q = 0; q < 8; q++)
            if (k0 + q < K)
#pragma unroll
                for (int i = 0; i < 9; i++)
                    s[q] += v[i] * w[((k0 + q) * C + c) * 9 + i];
    }
    if (ow < W && oh < H)
#pragma unroll
        for (int q = 0; q < 8; q++)
            if (k0 + q < K)
                y[(((size_t)n * K + k0 + q) * H + oh) * W + ow] = s[q];
}
