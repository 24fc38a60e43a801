// spec: kernelbench/level2/012_gemm_multiply_leakyrelu  expect: PASS
// A functor as the epilogue; one warp works on eight outputs of a row and reduces them by shuffles.
/* @plan
{ "launch": [ { "kernel": "linear_scale_leaky", "grid": ["ceil_div(O, 32)", "B"], "block": [32, 4],
                "args": ["x", "gemm_weight", "gemm_bias", "leaky_relu2", "I", "O"] } ] }
*/
struct ScaleLeakyRelu {
    float scale, slope;
    __device__ __forceinline__ float operator()(float v) const
    {
        v *= scale;
        return v > 0.f ? v : v * slope;
    }
};

template <typename T>
__device__ __forceinline__ T warp_reduce_sum(T val)
{
#pragma unroll
    for (int mask = 16; mask > 0; mask >>= 1)
        val += __shfl_xor_sync(0xffffffffu, val, mask, 32);
    return val;
}

template <int ROWS_PER_WARP, class Epilogue>
__device__ void linear_row(const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ b,
                           float* __restrict__ y, int in_features, int out_features, Epilogue op)
{
    const int lane = threadIdx.x;
    const int o0 = (blockIdx.x * blockDim.y + threadIdx.y) * ROWS_PER_WARP;
    const float* xr = x + static_cast<size_t>(blockIdx.y) * in_features;
    float sum[ROWS_PER_WARP];
#pragma unroll
    for (int r = 0; r < ROWS_PER_WARP; r++)
        sum[r] = 0.f;
    for (int i = lane; i < in_features; i += warpSize) {
        const float xi = xr[i];
#pragma unroll
        for (int r = 0; r < ROWS_PER_WARP; r++)
            if (o0 + r < out_features)
                sum[r] += xi * w[static_cast<size_t>(o0 + r) * in_features + i];
    }
#pragma unroll
    for (int r = 0; r < ROWS_PER_WARP; r++) {
        const float total = warp_reduce_sum(sum[r]);
        if (lane == r && o0 + r < out_features)
            y[static_cast<size_t>(blockIdx.y) * out_features + o0 + r] = op(total + b[o0 + r]);
    }
}

extern "C" __global__ void linear_scale_leaky(const float* x, const float* w, const float* b, float* y,
                                              int in_features, int out_features)
{
    linear_row<8>(x, w, b, y, in_features, out_features, ScaleLeakyRelu{2.0f, 0.1f});
}
