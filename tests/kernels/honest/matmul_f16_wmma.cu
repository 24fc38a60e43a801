// spec: basics/matmul_f16  expect: PASS
/* @plan
{ "launch": [ { "kernel": "wm", "grid": ["ceil_div(N, 16)", "ceil_div(M, 16)"], "block": [32], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <mma.h>
#include <cuda_fp16.h>
using namespace nvcuda;
extern "C" __global__ void wm(const half* A, const half* B, half* C, int M, int N, int K) {
    __shared__ half As[256], Bs[256];
    __shared__ float Cs[256];
    wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> fb;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> fc;
    wmma::fill_fragment(fc, 0.0f);
    int m0 = blockIdx.y * 16, n0 = blockIdx.x * 16;
    for (int k0 = 0; k0 < K; k0 += 16) {
        for (int i = threadIdx.x; i < 256; i += 32) {
            int r = i / 16, c = i % 16;
            As[i] = m0 + r < M && k0 + c < K ? A[(m0 + r) * K + k0 + c] : __float2half(0.f);
                Bs[i] = k0 + r < K && n0 + c < N ? B[(k0 + r) * N + n0 + c] : __float2half(0.f);
        }
        __syncwarp();
        wmma::load_matrix_sync(fa, As, 16);
        wmma::load_matrix_sync(fb, Bs, 16);
        wmma::mma_sync(fc, fa, fb, fc);
        __syncwarp();
    }
    wmma::store_matrix_sync(Cs, fc, 16, wmma::mem_row_major);
    __syncwarp();
    for (int i = threadIdx.x; i < 256; i += 32) if (m0 + i / 16 < M && n0 + i % 16 < N) C[(m0 + i / 16) * N + n0 + i % 16] = __float2half(Cs[i]);
}
