/* @plan
{ "tune": { "TW": [32, 8, 16, 64], "TH": [4, 1, 2, 8, 16], "KT": [4, 1, 2, 8, 16], "CB": [4, 1, 2, 8],
            "PX": [1, 2, 4] },
  "require": [ "TW % PX == 0", "TW / PX * TH >= 32", "TW / PX * TH <= 512", "PX * KT <= 32" ],
  "launch": [ { "kernel": "conv", "grid": ["ceil_div(W, TW) * ceil_div(H, TH)", "ceil_div(K, KT)", "N"],
                "block": ["TW / PX", "TH"], "args": ["x", "w", "b", "y"] } ] }
*/
// A block makes TH x TW pixels of KT channels, from CB input channels at a time; a thread PX pixels.
static constexpr int C = DIM_C, K = DIM_K, H = DIM_H, W = DIM_W, LANES = TW / PX;

extern "C" __global__ void __launch_bounds__(LANES * TH)
conv(const float *__restrict__ x, const float *__restrict__ w, const float *__restrict__ b,
     float *__restrict__ y)
{
    __shared__ float in[CB][TH + 2][TW + 2], weight[CB][KT][9];
    constexpr int ACROSS = (W + TW - 1) / TW;
    const int w0 = blockIdx.x % ACROSS * TW, h0 = blockIdx.x / ACROSS * TH, k0 = blockIdx.y * KT;
    const int n = blockIdx.z, thread = threadIdx.y * LANES + threadIdx.x;
    float acc[KT][PX] = {};
    for (int c0 = 0; c0 < C; c0 += CB) {
        for (int i = thread; i < CB * (TH + 2) * (TW + 2); i += LANES * TH) {
            const int c = i / ((TH + 2) * (TW + 2)), r = i / (TW + 2) % (TH + 2), q = i % (TW + 2);
            const int h = h0 + r - 1, v = w0 + q - 1;
            in[c][r][q] = c0 + c < C && h >= 0 && h < H && v >= 0 && v < W
                              ? x[((size_t)(n * C + c0 + c) * H + h) * W + v] : 0.f;
        }
        for (int i = thread; i < CB * KT * 9; i += LANES * TH) {
            const int c = i / (KT * 9), k = i / 9 % KT, t = i % 9;
            weight[c][k][t] = c0 + c < C && k0 + k < K ? w[((k0 + k) * C + c0 + c) * 9 + t] : 0.f;
        }
        __syncthreads();
        for (int c = 0; c < CB; c++)
#pragma unroll
            for (int t = 0; t < 9; t++) {
                float v[PX];
#pragma unroll
                for (int p = 0; p < PX; p++)
                    v[p] = in[c][threadIdx.y + t / 3][threadIdx.x + p * LANES + t % 3];
#pragma unroll
                for (int k = 0; k < KT; k++)
#pragma unroll
                    for (int p = 0; p < PX; p++)
                        acc[k][p] = fmaf(v[p], weight[c][k][t], acc[k][p]);
            }
        __syncthreads();
    }
    const int h = h0 + threadIdx.y;
#pragma unroll
    for (int k = 0; k < KT; k++)
#pragma unroll
        for (int p = 0; p < PX; p++) {
            const int v = w0 + threadIdx.x + p * LANES;
            if (k0 + k < K && h < H && v < W)
                y[((size_t)(n * K + k0 + k) * H + h) * W + v] = acc[k][p] + b[k0 + k];
        }
}
