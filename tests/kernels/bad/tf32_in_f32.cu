// spec: basics/matmul  expect: LOW_PRECISION
/* @plan
{
  "launch": [
    { "kernel": "k", "grid": ["ceil_div(N, 16)", "ceil_div(M, 16)"], "block": [32],
      "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <mma.h>
using namespace nvcuda;
extern "C" __global__ void k(const float* A, const float* B, float* C, int M, int N, int K) {
    __shared__ float As[16 * 8], Bs[8 * 16], Cs[256];
    wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::row_major> fb;
    wmma::fragment<wmma::accumulator, 16, 16, 8, float> fc;
    wmma::fill_fragment(fc, 0.0f);
    int m0 = blockIdx.y * 16, n0 = blockIdx.x * 16;
    for (int k0 = 0; k0 < K; k0 += 8) {
        for (int i = threadIdx.x; i < 128; i += 32) {
            As[i] = m0 + i / 8 < M && k0 + i % 8 < K ? A[(m0 + i / 8) * K + k0 + i % 8] : 0.f;
            Bs[i] = k0 + i / 16 < K && n0 + i % 16 < N ? B[(k0 + i / 16) * N + n0 + i % 16] : 0.f;
        }
        __syncwarp();
        wmma::load_matrix_sync(fa, As, 8);
        wmma::load_matrix_sync(fb, Bs, 16);
        for (int t = 0; t < fa.num_elements; t++) fa.x[t] = wmma::__float_to_tf32(fa.x[t]);
        for (int t = 0; t < fb.num_elements; t++) fb.x[t] = wmma::__float_to_tf32(fb.x[t]);
        wmma::mma_sync(fc, fa, fb, fc);
        __syncwarp();
    }
    wmma::store_matrix_sync(Cs, fc, 16, wmma::mem_row_major);
    __syncwarp();
    for (int i = threadIdx.x; i < 256; i += 32)
        if (m0 + i / 16 < M && n0 + i % 16 < N)
            C[(m0 + i / 16) * N + n0 + i % 16] = Cs[i];
}
