// spec: kernelbench/level1/082_conv_depthwise_2d_square_input_square_kernel  expect: PASS
/* @plan
{ "launch": [ { "kernel": "depthwise", "grid": ["ceil_div(W - 2, 64)", "ceil_div(H - 2, 8)", "B * C"], "block": [64], "args": ["x", "conv2d_weight", "conv0", "C", "H", "W"] } ] }
*/
// A window of three rows slides down in registers.
extern "C" __global__ void depthwise(const float* x, const float* w, float* y, int C, int H, int W)
{
    const int col = blockIdx.x * 64 + threadIdx.x, row0 = blockIdx.y * 8, oh = H - 2, ow = W - 2;
    if (col >= ow) return;
    float k[9], v[3][3];
    for (int i = 0; i < 9; ++i) k[i] = w[blockIdx.z % C * 9 + i];
    const float* in = x + (size_t)blockIdx.z * H * W + col;
    for (int r = 0; r < 2; ++r)
        for (int c = 0; c < 3; ++c) v[r + 1][c] = in[(size_t)(row0 + r) * W + c];
    for (int row = row0; row < min(row0 + 8, oh); ++row) {
        for (int c = 0; c < 3; ++c) {
            v[0][c] = v[1][c];
            v[1][c] = v[2][c];
            v[2][c] = in[(size_t)(row + 2) * W + c];
        }
        float s = 0.f;
#pragma unroll
        for (int r = 0; r < 3; ++r)
#pragma unroll
            for (int c = 0; c < 3; ++c) s += v[r][c] * k[r * 3 + c];
        y[((size_t)blockIdx.z * oh + row) * ow + col] = s;
    }
}
