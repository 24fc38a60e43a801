// spec: basics/matmul_f16  expect: PASS
/* @plan
{ "launch": [ { "kernel": "hgemm", "grid": ["ceil_div(N, 32)", "ceil_div(M, 16)"], "block": [16, 16],
                "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <cuda_fp16.h>
#include <cuda_runtime.h>

// A thread computes two neighbouring columns; half2 moves, swaps and halves exactly, sums are in float.
extern "C" __global__ void hgemm(const __half* __restrict__ a, const __half* __restrict__ b,
                                 __half* __restrict__ c, int M, int N, int K)
{
    __shared__ __half2 sa[16][16]; // a's element twice
    __shared__ __half2 sb[16][16]; // two columns of b
    const int row = blockIdx.y * 16 + threadIdx.y, col = (blockIdx.x * 16 + threadIdx.x) * 2;
    const __half zero = __float2half(0.0f);
    float2 sum = make_float2(0.0f, 0.0f);
    for (int k0 = 0; k0 < K; k0 += 16) {
        const int ka = k0 + threadIdx.x, kb = k0 + threadIdx.y;
        sa[threadIdx.y][threadIdx.x] = __half2half2(row < M && ka < K ? a[row * K + ka] : zero);
        const __half lo = kb < K && col < N ? b[kb * N + col] : zero;
        const __half hi = kb < K && col + 1 < N ? b[kb * N + col + 1] : zero;
        sb[threadIdx.y][threadIdx.x] = __halves2half2(lo, hi);
        __syncthreads();
        for (int k = 0; k < 16; k++) {
            // Doubling and adding a zero are exact: arithmetic on both halves at once without rounding.
            const __half2 two = __hadd2(sa[threadIdx.y][k], sa[threadIdx.y][k]);
            const float2 fa = __half22float2(two);
            const float2 fb = __half22float2(__hfma2(sb[k][threadIdx.x], __float2half2_rn(1.0f), __half2half2(zero)));
            sum.x += 0.5f * fa.x * fb.x;
            sum.y += 0.5f * fa.y * fb.y;
        }
        __syncthreads();
    }
    if (row < M && col < N)
        c[row * N + col] = __float2half_rn(sum.x);
    if (row < M && col + 1 < N)
        c[row * N + col + 1] = __high2half(__floats2half2_rn(sum.x, sum.y));
}
