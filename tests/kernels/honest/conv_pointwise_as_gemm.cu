// spec: kernelbench/level1/087_conv_pointwise_2d  expect: PASS
// A product of the filters and the pixels: 32 x 128 tiles, cp.async by inline PTX where rows are multiples of four.
/* @plan
{ "launch": [ { "kernel": "conv1x1", "grid": ["ceil_div(H * W, 128)", "ceil_div(K, 32)", "B"], "block": [128],
                "args": ["x", "conv1d_weight", "conv0", "C", "K", "H * W"] } ] }
*/
__device__ __forceinline__ void cp_async16(void* smem, const void* gmem)
{
    unsigned dst = static_cast<unsigned>(__cvta_generic_to_shared(smem));
    asm volatile("cp.async.ca.shared.global [%0], [%1], 16;\n" ::"r"(dst), "l"(gmem));
}

extern "C" __global__ void __launch_bounds__(128) conv1x1(const float* __restrict__ x, const float* __restrict__ w,
                                                          float* __restrict__ y, int C, int K, int P)
{
    __shared__ __align__(16) float pixels[8][128];
    __shared__ float filter[8][32];
    const int p0 = blockIdx.x * 128, k0 = blockIdx.y * 32;
    const float* image = x + (size_t)blockIdx.z * C * P;
    const bool fast = P % 4 == 0 && p0 + 128 <= P;
    float acc[32];
#pragma unroll
    for (int k = 0; k < 32; k++)
        acc[k] = 0.f;
    for (int c0 = 0; c0 < C; c0 += 8) {
        for (int i = threadIdx.x; i < 8 * 32; i += 128) {
            const int r = i / 32, q = i % 32 * 4;
            if (fast && c0 + r < C) {
                cp_async16(&pixels[r][q], image + (size_t)(c0 + r) * P + p0 + q);
            } else {
                for (int j = 0; j < 4; j++)
                    pixels[r][q + j] = c0 + r < C && p0 + q + j < P ? image[(size_t)(c0 + r) * P + p0 + q + j] : 0.f;
            }
            const int c = i % 8, k = i / 8;
            filter[c][k] = c0 + c < C && k0 + k < K ? __ldg(&w[(size_t)(k0 + k) * C + c0 + c]) : 0.f;
        }
        asm volatile("cp.async.commit_group;\n" ::);
        asm volatile("cp.async.wait_group 0;\n" ::: "memory");
        __syncthreads();
#pragma unroll
        for (int c = 0; c < 8; c++) {
            const float v = pixels[c][threadIdx.x];
#pragma unroll
            for (int k = 0; k < 32; k++)
                asm("fma.rn.f32 %0, %1, %2, %0;" : "+f"(acc[k]) : "f"(v), "f"(filter[c][k]));
        }
        __syncthreads();
    }
    const int p = p0 + threadIdx.x;
    if (p < P)
#pragma unroll
        for (int k = 0; k < 32; k++)
            if (k0 + k < K)
                y[((size_t)blockIdx.z * K + k0 + k) * P + p] = acc[k];
}
