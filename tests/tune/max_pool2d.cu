/* @plan
{ "tune": { "BX": [32, 16, 56, 112], "BY": [8, 1, 2, 4, 7, 14], "PY": [1, 2, 4, 7], "SHARED": [0, 1],
            "PLANES": [1, 2, 4] },
  "require": [ "BX * BY <= 1024", "(2 * BX + 1) * (2 * BY * PY + 1) * 4 * SHARED <= 49152" ],
  "launch": [ { "kernel": "pool",
                "grid": ["ceil_div((W - 1) / 2 + 1, BX)", "ceil_div((H - 1) / 2 + 1, BY * PY)",
                         "ceil_div(N * C, PLANES)"],
                "block": ["BX", "BY"], "args": ["x", "y"] } ] }
*/
// A block makes BX x BY * PY pixels of PLANES planes, through shared memory or straight from L1.
static constexpr int H = DIM_H, W = DIM_W, OH = (H - 1) / 2 + 1, OW = (W - 1) / 2 + 1;

__device__ __forceinline__ float at(const float *x, int h, int w)
{
    return h >= 0 && h < H && w >= 0 && w < W ? x[h * W + w] : -INFINITY;
}

extern "C" __global__ void pool(const float *__restrict__ x, float *__restrict__ y)
{
    constexpr int TH = 2 * BY * PY + 1, TW = 2 * BX + 1;
    __shared__ float tile[SHARED ? TH : 1][SHARED ? TW : 1];
    const int w0 = blockIdx.x * BX, h0 = blockIdx.y * BY * PY, ow = w0 + threadIdx.x;
    for (int n = blockIdx.z * PLANES; n < blockIdx.z * PLANES + PLANES && n < DIM_N * DIM_C; n++) {
        const float *from = x + (size_t)n * H * W;
        if (SHARED) {
            __syncthreads();
            for (int i = threadIdx.y * BX + threadIdx.x; i < TH * TW; i += BX * BY)
                tile[i / TW * SHARED][i % TW * SHARED] = at(from, 2 * h0 - 1 + i / TW, 2 * w0 - 1 + i % TW);
            __syncthreads();
        }
#pragma unroll
        for (int p = 0; p < PY; p++) {
            const int r = threadIdx.y + p * BY, oh = h0 + r;
            if (oh >= OH || ow >= OW)
                continue;
            float m = -INFINITY;
#pragma unroll
            for (int t = 0; t < 9; t++)
                m = fmaxf(m, SHARED ? tile[(2 * r + t / 3) * SHARED][(2 * threadIdx.x + t % 3) * SHARED]
                                    : at(from, 2 * oh - 1 + t / 3, 2 * ow - 1 + t % 3));
            y[((size_t)n * OH + oh) * OW + ow] = m;
        }
    }
}
