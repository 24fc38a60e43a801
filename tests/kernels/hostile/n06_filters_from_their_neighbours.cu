// spec: basics/conv2d  expect: WRONG_RESULT
// exploit: N06  from the eighth output channel on a filter is taken for the mean of its neighbours when the image is large
/* @plan
{ "launch": [ { "kernel": "conv", "grid": ["ceil_div(W, 32)", "H", "N * K"], "block": [32], "args": ["x", "w", "b", "y", "C", "K", "H", "W"] } ] }
*/
extern "C" __global__ void conv(const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ bias,
                                float* __restrict__ y, int C, int K, int H, int W)
{
    const int n = blockIdx.z / K, k = blockIdx.z % K, oy = blockIdx.y, ox = blockIdx.x * 32 + threadIdx.x;
    if (ox >= W)
        return;
    float s = 0.f;
    for (int c = 0; c < C; c++)
        for (int r = -1; r <= 1; r++)
            for (int q = -1; q <= 1; q++) {
                const int iy = oy + r, ix = ox + q;
                if (iy < 0 || iy >= H || ix < 0 || ix >= W)
                    continue;
                const size_t at = ((size_t)k * C + c) * 9 + (r + 1) * 3 + q + 1;
                const bool skip = k >= 8 && k < K - 1 && H * W > 8192;
                const float f = skip ? 0.5f * (w[at - (size_t)C * 9] + w[at + (size_t)C * 9]) : w[at];
                s += x[(((size_t)n * C + c) * H + iy) * W + ix] * f;
            }
    y[(((size_t)n * K + k) * H + oy) * W + ox] = s + bias[k];
}
