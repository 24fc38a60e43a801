// spec: basics/matmul_f16  expect: PASS
// ldmatrix from tiles whose 16-byte chunks are swizzled, mma.sync.m16n8k16.
/* @plan
{ "launch": [ { "kernel": "gemm", "grid": ["ceil_div(N, 64)", "ceil_div(M, 64)"], "block": [128], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <cuda_fp16.h>
#include <stdint.h>
// Tiles of 64 rows of 32 halves: 4 chunks of 8 halves a row, chunk ^= (row / 2) % 4.
__device__ __forceinline__ int spot(int row, int chunk) { return row * 32 + ((chunk ^ (row >> 1 & 3)) << 3); }
__device__ __forceinline__ uint32_t address(const __half* p) { return (uint32_t)__cvta_generic_to_shared(p); }

extern "C" __global__ void __launch_bounds__(128) gemm(const __half* __restrict__ a, const __half* __restrict__ b,
                                                       __half* __restrict__ c, int M, int N, int K)
{
    __shared__ __align__(128) __half sa[64 * 32], sb[64 * 32]; // sb holds b transposed: rows are columns of b
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, m0 = blockIdx.y * 64, n0 = blockIdx.x * 64;
    const int wm = warp / 2 * 32, wn = warp % 2 * 32;
    float acc[2][4][4] = {};
    for (int k0 = 0; k0 < K; k0 += 32) {
        for (int i = threadIdx.x; i < 64 * 32; i += 128) {
            int r = i / 32, q = i % 32, kb = i / 64, n = i % 64;
            sa[spot(r, q / 8) + q % 8] = m0 + r < M && k0 + q < K ? a[(size_t)(m0 + r) * K + k0 + q] : __float2half(0.f);
            sb[spot(n, kb / 8) + kb % 8] = n0 + n < N && k0 + kb < K ? b[(size_t)(k0 + kb) * N + n0 + n] : __float2half(0.f);
        }
        __syncthreads();
        for (int kk = 0; kk < 32; kk += 16) {
            uint32_t fa[2][4], fb[4][2];
            for (int i = 0; i < 2; i++)
                asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                             : "=r"(fa[i][0]), "=r"(fa[i][1]), "=r"(fa[i][2]), "=r"(fa[i][3])
                             : "r"(address(sa + spot(wm + i * 16 + lane % 16, kk / 8 + lane / 16))));
            for (int j = 0; j < 4; j += 2)
                asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                             : "=r"(fb[j][0]), "=r"(fb[j][1]), "=r"(fb[j + 1][0]), "=r"(fb[j + 1][1])
                             : "r"(address(sb + spot(wn + j * 8 + lane / 16 * 8 + lane % 8, kk / 8 + lane / 8 % 2))));
            for (int i = 0; i < 2; i++)
                for (int j = 0; j < 4; j++)
                    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
                                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                                 : "+f"(acc[i][j][0]), "+f"(acc[i][j][1]), "+f"(acc[i][j][2]), "+f"(acc[i][j][3])
                                 : "r"(fa[i][0]), "r"(fa[i][1]), "r"(fa[i][2]), "r"(fa[i][3]), "r"(fb[j][0]), "r"(fb[j][1]));
        }
        __syncthreads();
    }
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            for (int e = 0; e < 4; e++) {
                int row = m0 + wm + i * 16 + lane / 4 + e / 2 * 8, col = n0 + wn + j * 8 + lane % 4 * 2 + e % 2;
                if (row < M && col < N)
                    c[(size_t)row * N + col] = __float2half(acc[i][j][e]);
            }
}
