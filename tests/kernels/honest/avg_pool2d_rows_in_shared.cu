// spec: kernelbench/level1/045_average_pooling_2d  expect: PASS
/* @plan
{ "launch": [ { "kernel": "pool", "grid": ["H / 11", "B * C"], "block": [128], "shared": "W * 4", "args": ["x", "avg_pool0", "H", "W"] } ] }
*/
// Sums of columns over eleven rows first, then eleven columns each.
extern "C" __global__ void pool(const float* x, float* y, int H, int W)
{
    extern __shared__ float column[];
    const float* top = x + ((size_t)blockIdx.y * H + blockIdx.x * 11) * W;
    for (int c = threadIdx.x; c < W; c += blockDim.x) {
        float s = 0.f;
#pragma unroll
        for (int r = 0; r < 11; ++r) s += top[(size_t)r * W + c];
        column[c] = s;
    }
    __syncthreads();
    const int wide = W / 11;
    for (int o = threadIdx.x; o < wide; o += blockDim.x) {
        float s = 0.f;
        for (int k = 0; k < 11; ++k) s += column[o * 11 + k];
        y[((size_t)blockIdx.y * (H / 11) + blockIdx.x) * wide + o] = s * (1.0f / 121.0f);
    }
}
