// spec: kernelbench/level1/036_rmsnorm  expect: PASS
// A thread a pixel, neighbours side by side; the channels twice.
/* @plan
{ "launch": [ { "kernel": "rmsnorm_nchw", "grid": ["ceil_div(H * W, 256)", "B"], "block": [256],
                "args": ["x", "div4", "C", "H * W", 1e-5] } ] }
*/
extern "C" __global__ void rmsnorm_nchw(const float* __restrict__ x, float* __restrict__ y, const int num_features,
                                        const int spatial, const float eps)
{
    const int pos = blockIdx.x * blockDim.x + threadIdx.x;
    if (pos >= spatial) return;
    const size_t offset = (size_t)blockIdx.y * num_features * spatial + pos;
    const float* in = x + offset;
    float* out = y + offset;
    float sum_sq = 0.0f;
#pragma unroll 8
    for (int c = 0; c < num_features; ++c) {
        const float val = in[(size_t)c * spatial];
        sum_sq += val * val;
    }
    const float inv_rms = 1.0f / sqrtf(sum_sq / num_features + eps);
#pragma unroll 8
    for (int c = 0; c < num_features; ++c)
        out[(size_t)c * spatial] = in[(size_t)c * spatial] * inv_rms;
}
