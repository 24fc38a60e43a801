// spec: kernelbench/level2/001_conv2d_relu_biasadd  expect: PASS
// A 16 x 16 tile of outputs with its halo in shared memory, four output channels a thread; weights in shared memory, too.
/* @plan
{ "launch": [ { "kernel": "conv_relu_bias", "grid": ["ceil_div(W - 2, 16)", "ceil_div(H - 2, 16)", "B * ceil_div(K, 4)"],
                "block": [16, 16], "args": ["x", "conv_weight", "conv_bias", "bias", "add2", "C", "K", "H", "W"] } ] }
*/
#define TILE 16
#define KS 3
#define OC 4
extern "C" __global__ void conv_relu_bias(const float* __restrict__ x, const float* __restrict__ w,
                                          const float* __restrict__ cb, const float* __restrict__ bias,
                                          float* __restrict__ y, int C, int K, int H, int W)
{
    __shared__ float tile[TILE + KS - 1][TILE + KS - 1];
    __shared__ float ws[OC][KS * KS];
    const int OH = H - KS + 1, OW = W - KS + 1;
    const int groups = (K + OC - 1) / OC;
    const int n = blockIdx.z / groups, k0 = (blockIdx.z % groups) * OC;
    const int ox = blockIdx.x * TILE + threadIdx.x, oy = blockIdx.y * TILE + threadIdx.y;
    const int tid = threadIdx.y * TILE + threadIdx.x;
    float acc[OC] = {0.f, 0.f, 0.f, 0.f};
    for (int c = 0; c < C; c++) {
        const float* plane = x + ((size_t)n * C + c) * H * W;
        for (int i = tid; i < (TILE + KS - 1) * (TILE + KS - 1); i += TILE * TILE) {
            int r = i / (TILE + KS - 1), q = i % (TILE + KS - 1);
            int iy = blockIdx.y * TILE + r, ix = blockIdx.x * TILE + q;
            tile[r][q] = (iy < H && ix < W) ? plane[(size_t)iy * W + ix] : 0.f;
        }
        if (tid < OC * KS * KS) {
            int o = tid / (KS * KS);
            ws[o][tid % (KS * KS)] = k0 + o < K ? w[((size_t)(k0 + o) * C + c) * KS * KS + tid % (KS * KS)] : 0.f;
        }
        __syncthreads();
#pragma unroll
        for (int r = 0; r < KS; r++)
#pragma unroll
            for (int q = 0; q < KS; q++) {
                float v = tile[threadIdx.y + r][threadIdx.x + q];
#pragma unroll
                for (int o = 0; o < OC; o++)
                    acc[o] += v * ws[o][r * KS + q];
            }
        __syncthreads();
    }
    if (ox < OW && oy < OH) {
#pragma unroll
        for (int o = 0; o < OC; o++)
            if (k0 + o < K)
                y[(((size_t)n * K + k0 + o) * OH + oy) * OW + ox] = fmaxf(acc[o] + cb[k0 + o], 0.f) + bias[k0 + o];
    }
}
