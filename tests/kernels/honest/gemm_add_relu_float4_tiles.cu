// spec: kernelbench/level2/076_gemm_add_relu  expect: PASS
// Templated register tiles with 16-byte loads where the rows allow them; bias and relu in the epilogue.
/* @plan
{ "launch": [ { "kernel": "fused_gemm_bias_relu_kernel", "grid": ["ceil_div(O, 64)", "ceil_div(B, 64)"], "block": [256],
                "args": ["x", "gemm_weight", "bias", "relu2", "B", "O", "I"] } ] }
*/
#include <cuda_runtime.h>

template <int BM, int BN, int BK, int TM, int TN>
__device__ __forceinline__ void gemm_bias_relu(const float* __restrict__ A, const float* __restrict__ W,
                                               const float* __restrict__ bias, float* __restrict__ C,
                                               const int M, const int N, const int K)
{
    __shared__ float As[BK][BM + 4];
    __shared__ float Ws[BK][BN + 4];
    const int tid = threadIdx.x;
    const int tx = tid % (BN / TN);
    const int ty = tid / (BN / TN);
    const int m0 = blockIdx.y * BM;
    const int n0 = blockIdx.x * BN;
    const bool vec = (K & 3) == 0;
    float acc[TM][TN] = {};

    for (int k0 = 0; k0 < K; k0 += BK) {
        constexpr int LOADS = BM * BK / 4 / 256;
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {
            const int idx = tid + l * 256;
            const int row = idx / (BK / 4);
            const int col = (idx % (BK / 4)) * 4;
            float4 va = make_float4(0.f, 0.f, 0.f, 0.f);
            float4 vw = va;
            if (vec && k0 + col < K) {
                if (m0 + row < M)
                    va = *reinterpret_cast<const float4*>(&A[(size_t)(m0 + row) * K + k0 + col]);
                if (n0 + row < N)
                    vw = __ldg(reinterpret_cast<const float4*>(&W[(size_t)(n0 + row) * K + k0 + col]));
            } else {
                float* pa = reinterpret_cast<float*>(&va);
                float* pw = reinterpret_cast<float*>(&vw);
                for (int j = 0; j < 4; ++j) {
                    if (k0 + col + j < K) {
                        if (m0 + row < M)
                            pa[j] = A[(size_t)(m0 + row) * K + k0 + col + j];
                        if (n0 + row < N)
                            pw[j] = __ldg(&W[(size_t)(n0 + row) * K + k0 + col + j]);
                    }
                }
            }
            As[col + 0][row] = va.x; As[col + 1][row] = va.y; As[col + 2][row] = va.z; As[col + 3][row] = va.w;
            Ws[col + 0][row] = vw.x; Ws[col + 1][row] = vw.y; Ws[col + 2][row] = vw.z; Ws[col + 3][row] = vw.w;
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < BK; ++k) {
            float a[TM], b[TN];
#pragma unroll
            for (int i = 0; i < TM; ++i) a[i] = As[k][ty * TM + i];
#pragma unroll
            for (int j = 0; j < TN; ++j) b[j] = Ws[k][tx * TN + j];
#pragma unroll
            for (int i = 0; i < TM; ++i)
#pragma unroll
                for (int j = 0; j < TN; ++j)
                    acc[i][j] = fmaf(a[i], b[j], acc[i][j]);
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < TM; ++i) {
        const int m = m0 + ty * TM + i;
        if (m >= M) continue;
#pragma unroll
        for (int j = 0; j < TN; ++j) {
            const int n = n0 + tx * TN + j;
            if (n < N)
                C[(size_t)m * N + n] = fmaxf(acc[i][j] + __ldg(&bias[n]), 0.0f);
        }
    }
}

extern "C" __global__ void __launch_bounds__(256, 2)
fused_gemm_bias_relu_kernel(const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ bias,
                            float* __restrict__ out, int M, int N, int K)
{
    gemm_bias_relu<64, 64, 16, 4, 4>(x, w, bias, out, M, N, K);
}
