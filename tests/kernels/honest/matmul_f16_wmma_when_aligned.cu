// spec: basics/matmul_f16  expect: PASS
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 16)", "ceil_div(M, 16)"], "block": [32], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <mma.h>
using namespace nvcuda;
// tensor cores only for large aligned problems
extern "C" __global__ void k(const half* a, const half* b, half* c, int M, int N, int K) {
    int r0 = blockIdx.y * 16, c0 = blockIdx.x * 16;
    if (M % 16 == 0 && N % 16 == 0 && K % 16 == 0 && K >= 1024) {
        wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> fa;
        wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> fb;
        wmma::fragment<wmma::accumulator, 16, 16, 16, float> fc;
        wmma::fill_fragment(fc, 0.f);
        for (int k = 0; k < K; k += 16) {
            wmma::load_matrix_sync(fa, a + (size_t)r0 * K + k, K);
            wmma::load_matrix_sync(fb, b + (size_t)k * N + c0, N);
            wmma::mma_sync(fc, fa, fb, fc);
        }
        __shared__ float t[256];
        wmma::store_matrix_sync(t, fc, 16, wmma::mem_row_major);
        __syncwarp();
        for (int e = threadIdx.x; e < 256; e += 32) c[(size_t)(r0 + e / 16) * N + c0 + e % 16] = __float2half(t[e]);
    } else {
        for (int e = threadIdx.x; e < 256; e += 32) {
            int r = r0 + e / 16, q = c0 + e % 16;
            if (r >= M || q >= N) continue;
            float s = 0;
            for (int k = 0; k < K; k++) s += __half2float(a[(size_t)r * K + k]) * __half2float(b[(size_t)k * N + q]);
            c[(size_t)r * N + q] = __float2half(s);
        }
    }
}
