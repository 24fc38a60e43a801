// spec: basics/conv2d  expect: PASS
/* @plan
{
  "launch": [
    { "kernel": "implicit_gemm", "grid": ["ceil_div(N * H * W, 32)", "ceil_div(K, 16)"], "block": [32, 16],
      "args": ["x", "w", "b", "y"] } ] }
*/
// implicit GEMM: rows are output channels, columns output pixels
extern "C" __global__ void implicit_gemm(const float* __restrict__ x, const float* __restrict__ w,
                                         const float* __restrict__ bias, float* __restrict__ y) {
    constexpr int C = DIM_C, K = DIM_K, H = DIM_H, W = DIM_W, N = DIM_N, R = C * 9;
    __shared__ float ws[16][16], xs[16][32];
    const int p = blockIdx.x * 32 + threadIdx.x, k = blockIdx.y * 16 + threadIdx.y;
    const int n = p / (H * W), oy = p / W % H, ox = p % W;
    float acc = k < K ? bias[k] : 0.f;
    for (int r0 = 0; r0 < R; r0 += 16) {
        const int r = r0 + threadIdx.y, c = r / 9, ky = r / 3 % 3, kx = r % 3, iy = oy + ky - 1,
                  ix = ox + kx - 1;
        const bool ok =
            r < R && p < N * H * W && (unsigned)iy < (unsigned)H && (unsigned)ix < (unsigned)W;
        xs[threadIdx.y][threadIdx.x] = ok ? x[((n * C + c) * H + iy) * W + ix] : 0.f;
        if (threadIdx.x < 16)
            ws[threadIdx.y][threadIdx.x] =
                k < K && r0 + threadIdx.x < R ? w[k * R + r0 + threadIdx.x] : 0.f;
        __syncthreads();
#pragma unroll
        for (int i = 0; i < 16; i++) acc = fmaf(ws[threadIdx.y][i], xs[i][threadIdx.x], acc);
        __syncthreads();
    }
    if (k < K && p < N * H * W)
        y[((n * K + k) * H + oy) * W + ox] = acc;
}
