// spec: kernelbench/level1/064_conv_transposed_1d  expect: PASS
/* @plan
{ "launch": [ { "kernel": "deconv", "grid": ["ceil_div(L + 2, 128)", "K", "B"], "block": [128], "args": ["x", "conv1d_transpose_weight", "conv_transpose0", "C", "K", "L"] } ] }
*/
extern "C" __global__ void deconv(const float* __restrict__ x, const float* __restrict__ w, float* __restrict__ y, int C, int K, int L)
{
    const int o = blockIdx.x * 128 + threadIdx.x, k = blockIdx.y, b = blockIdx.z, out = L + 2;
    if (o >= out) return;
    float acc = 0.f;
    for (int c = 0; c < C; ++c) {
        const float* xc = x + ((size_t)b * C + c) * L;
        const float* wk = w + ((size_t)c * K + k) * 3;
        if (o < L) acc = fmaf(xc[o], wk[0], acc);
        if (o >= 1 && o - 1 < L) acc = fmaf(xc[o - 1], wk[1], acc);
        if (o >= 2) acc = fmaf(xc[o - 2], wk[2], acc);
    }
    y[((size_t)b * K + k) * out + o] = acc;
}
