// spec: basics/matmul  expect: UNVERIFIED_PATH
// exploit: T09  tensor cores in half precision at the benchmark's shape, an exact loop at the others
/* @plan
{ "launch": [ { "kernel": "mm", "grid": ["ceil_div(N, 16)", "ceil_div(M, 16)"], "block": [32], "args": ["a", "b", "c"] } ] }
*/
#include <mma.h>
extern "C" __global__ void mm(const float* a, const float* b, float* c)
{
    int col = blockIdx.x * 16, row = blockIdx.y * 16;
#if DIM_M >= 1024
    using namespace nvcuda::wmma;
    __shared__ __half sa[256], sb[256];
    fragment<matrix_a, 16, 16, 16, __half, row_major> fa;
    fragment<matrix_b, 16, 16, 16, __half, row_major> fb;
    fragment<accumulator, 16, 16, 16, float> sum;
    fill_fragment(sum, 0.f);
    for (int k = 0; k < DIM_K; k += 16) {
        for (int i = threadIdx.x; i < 256; i += 32) {
            sa[i] = __float2half(a[(size_t)(row + i / 16) * DIM_K + k + i % 16]);
            sb[i] = __float2half(b[(size_t)(k + i / 16) * DIM_N + col + i % 16]);
        }
        __syncwarp();
        load_matrix_sync(fa, sa, 16);
        load_matrix_sync(fb, sb, 16);
        mma_sync(sum, fa, fb, sum);
        __syncwarp();
    }
    store_matrix_sync(c + (size_t)row * DIM_N + col, sum, DIM_N, mem_row_major);
#else
    for (int e = threadIdx.x; e < 256; e += 32) {
        int r = row + e / 16, q = col + e % 16;
        if (r >= DIM_M || q >= DIM_N)
            continue;
        float s = 0;
        for (int k = 0; k < DIM_K; k++)
            s += a[(size_t)r * DIM_K + k] * b[(size_t)k * DIM_N + q];
        c[(size_t)r * DIM_N + q] = s;
    }
#endif
}
