// spec: basics/matmul_f16  expect: PASS
// Any shape: rows whose bytes are no multiple of 16 are copied to scratch with room behind them, and b is turned on the way.
// Maps of the scratch end at the matrices, so that what lies in the padding never counts. Fragments come by ldmatrix out of
// tiles that TMA has swizzled.
/* @plan
{ "scratch": [ { "name": "pa", "dtype": "f16", "count": "M * align(K, 8)" }, { "name": "pb", "dtype": "f16", "count": "N * align(K, 8)" } ],
  "launch":  [ { "kernel": "pad", "grid": ["ceil_div(K, 256)", "M"], "block": [256], "args": ["a", "pa", "K", "align(K, 8)"] },
               { "kernel": "turn", "grid": ["ceil_div(N, 32)", "ceil_div(K, 32)"], "block": [32, 8], "args": ["b", "pb", "N", "K", "align(K, 8)"] },
               { "kernel": "gemm", "grid": ["ceil_div(N, 64)", "ceil_div(M, 64)"], "block": [128],
                 "tensormaps": [ { "name": "map_a", "tensor": "pa", "dims": ["K", "M"], "strides": ["align(K, 8)"], "box": [64, 64], "swizzle": 128 },
                                 { "name": "map_b", "tensor": "pb", "dims": ["K", "N"], "strides": ["align(K, 8)"], "box": [64, 64], "swizzle": 128 } ],
                 "args": ["map_a", "map_b", "c", "M", "N", "ceil_div(K, 64)"] } ] }
*/
#include <cuda.h>
#include <cuda_fp16.h>
#include <stdint.h>

extern "C" __global__ void pad(const __half* a, __half* pa, int K, int pitch)
{
    const int k = blockIdx.x * 256 + threadIdx.x;
    if (k < K)
        pa[(size_t)blockIdx.y * pitch + k] = a[(size_t)blockIdx.y * K + k];
}

extern "C" __global__ void turn(const __half* b, __half* pb, int N, int K, int pitch)
{
    __shared__ __half tile[32][34];
    const int n0 = blockIdx.x * 32, k0 = blockIdx.y * 32;
    for (int i = threadIdx.y; i < 32; i += 8)
        if (k0 + i < K && n0 + threadIdx.x < N)
            tile[i][threadIdx.x] = b[(size_t)(k0 + i) * N + n0 + threadIdx.x];
    __syncthreads();
    for (int i = threadIdx.y; i < 32; i += 8)
        if (n0 + i < N && k0 + threadIdx.x < K)
            pb[(size_t)(n0 + i) * pitch + k0 + threadIdx.x] = tile[threadIdx.x][i];
}

enum { TILE = 64 * 64 };

__device__ __forceinline__ uint32_t at(const void* p) { return (uint32_t)__cvta_generic_to_shared(p); }
__device__ __forceinline__ void load(__half* to, const CUtensorMap* map, int x, int y, uint64_t* bar)
{
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
                 :: "r"(at(to)), "l"(map), "r"(x), "r"(y), "r"(at(bar)) : "memory");
}
// 16 bytes of a row, where the swizzle has put them.
__device__ __forceinline__ uint32_t chunk(const __half* tile, int row, int k) { return at(tile + row * 64 + (k / 8 ^ row % 8) * 8); }

extern "C" __global__ void __launch_bounds__(128) gemm(const __grid_constant__ CUtensorMap map_a,
                                                       const __grid_constant__ CUtensorMap map_b, __half* c, int M, int N, int tiles)
{
    __shared__ __align__(1024) __half a[2][TILE], b[2][TILE];
    __shared__ uint64_t full[2];
    const int m0 = blockIdx.y * 64, n0 = blockIdx.x * 64, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    auto bring = [&](int t) {
        asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" :: "r"(at(&full[t % 2])), "n"(2 * TILE * 2) : "memory");
        load(a[t % 2], &map_a, t * 64, m0, &full[t % 2]);
        load(b[t % 2], &map_b, t * 64, n0, &full[t % 2]);
    };
    if (threadIdx.x == 0) {
        for (int s = 0; s < 2; s++)
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" :: "r"(at(&full[s])) : "memory");
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        bring(0);
    }
    __syncthreads();
    float d[8][4] = {};
    for (int t = 0; t < tiles; t++) {
        if (threadIdx.x == 0 && t + 1 < tiles)
            bring(t + 1);
        asm volatile("{ .reg .pred done; again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1; @!done bra again; }"
                     :: "r"(at(&full[t % 2])), "r"(t / 2 % 2) : "memory");
        for (int k = 0; k < 64; k += 16) {
            uint32_t fa[4], fb[2];
            asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                         : "=r"(fa[0]), "=r"(fa[1]), "=r"(fa[2]), "=r"(fa[3])
                         : "r"(chunk(a[t % 2], warp * 16 + lane % 16, k + lane / 16 * 8)) : "memory");
            for (int n = 0; n < 8; n++) {
                asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                             : "=r"(fb[0]), "=r"(fb[1]) : "r"(chunk(b[t % 2], n * 8 + lane % 8, k + lane / 8 % 2 * 8)) : "memory");
                asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                             : "+f"(d[n][0]), "+f"(d[n][1]), "+f"(d[n][2]), "+f"(d[n][3])
                             : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "r"(fb[0]), "r"(fb[1]));
            }
        }
        __syncthreads(); // the stage is free
    }
    for (int n = 0; n < 8; n++)
        for (int i = 0; i < 4; i++) {
            const int row = m0 + warp * 16 + lane / 4 + i / 2 * 8, col = n0 + n * 8 + lane % 4 * 2 + i % 2;
            if (row < M && col < N)
                c[(size_t)row * N + col] = __float2half(d[n][i]);
        }
}
