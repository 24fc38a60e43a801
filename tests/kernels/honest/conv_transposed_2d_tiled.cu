// spec: kernelbench/level1/057_conv_transposed_2d_square_input_square_kernel  expect: PASS
// As a gather with the flipped filter: the inputs that reach a tile, and eight filters, in shared memory.
/* @plan
{ "launch": [ { "kernel": "deconv", "grid": ["ceil_div(W + 2, 32)", "ceil_div(H + 2, 8)", "B * ceil_div(K, 8)"], "block": [32, 8],
                "args": ["x", "conv_transpose2d_weight", "conv_transpose0", "C", "K", "H", "W"] } ] }
*/
constexpr int TX = 32, TY = 8, NK = 8;
extern "C" __global__ void __launch_bounds__(TX * TY)
deconv(const float* __restrict__ x, const float* __restrict__ w, float* __restrict__ y, int C, int K, int H, int W)
{
    __shared__ float in[TY + 2][TX + 2];
    __shared__ float f[NK][9];
    const int OH = H + 2, OW = W + 2;
    const int kb = (K + NK - 1) / NK;
    const int b = blockIdx.z / kb, k0 = blockIdx.z % kb * NK;
    const int ox = blockIdx.x * TX + threadIdx.x, oy = blockIdx.y * TY + threadIdx.y;
    float acc[NK] = {};
    for (int c = 0; c < C; ++c) {
        for (int t = threadIdx.y * TX + threadIdx.x; t < (TY + 2) * (TX + 2); t += TX * TY) {
            const int iy = (int)blockIdx.y * TY + t / (TX + 2) - 2;
            const int ix = (int)blockIdx.x * TX + t % (TX + 2) - 2;
            in[t / (TX + 2)][t % (TX + 2)] =
                (iy >= 0 && iy < H && ix >= 0 && ix < W) ? x[(((size_t)b * C + c) * H + iy) * W + ix] : 0.f;
        }
        const int t = threadIdx.y * TX + threadIdx.x;
        if (t < NK * 9) {
            const int k = k0 + t / 9;
            f[t / 9][t % 9] = k < K ? w[((size_t)c * K + k) * 9 + t % 9] : 0.f;
        }
        __syncthreads();
#pragma unroll
        for (int r = 0; r < 3; ++r)
#pragma unroll
            for (int s = 0; s < 3; ++s) {
                const float v = in[threadIdx.y + 2 - r][threadIdx.x + 2 - s];
#pragma unroll
                for (int k = 0; k < NK; ++k)
                    acc[k] += v * f[k][r * 3 + s];
            }
        __syncthreads();
    }
    if (ox >= OW || oy >= OH)
        return;
    for (int k = 0; k < NK; ++k)
        if (k0 + k < K)
            y[(((size_t)b * K + k0 + k) * OH + oy) * OW + ox] = acc[k];
}
