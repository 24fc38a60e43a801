// spec: basics/matmul_f16  expect: PASS
// Two blocks of a cluster share the rows of a: each brings half of the tile, and TMA hands it to both. The blocks meet before a
// stage is filled, so that neither overwrites what the other still reads.
/* @plan
{ "require": [ "K % 8 == 0 && N % 8 == 0" ],
  "launch":  [ { "kernel": "gemm", "grid": ["2 * ceil_div(N, 128)", "ceil_div(M, 64)"], "block": [128], "cluster": [2],
                 "tensormaps": [ { "name": "half_a", "tensor": "a", "box": [64, 32], "swizzle": 128 },
                                 { "name": "map_b", "tensor": "b", "box": [64, 64], "swizzle": 128 } ],
                 "args": ["half_a", "map_b", "c", "M", "N", "ceil_div(K, 64)"] } ] }
*/
#include <cooperative_groups.h>
#include <cuda.h>
#include <cuda_fp16.h>
#include <stdint.h>

namespace cg = cooperative_groups;
enum { TILE = 64 * 64 };

__device__ __forceinline__ uint32_t at(const void* p) { return (uint32_t)__cvta_generic_to_shared(p); }
// 16 bytes of a line of 128, where the swizzle has put them.
__device__ __forceinline__ uint32_t chunk(const __half* tile, int line, int i) { return at(tile + line * 64 + (i / 8 ^ line % 8) * 8); }

extern "C" __global__ void __launch_bounds__(128) gemm(const __grid_constant__ CUtensorMap half_a,
                                                       const __grid_constant__ CUtensorMap map_b, __half* c, int M, int N, int tiles)
{
    __shared__ __align__(1024) __half a[2][TILE], b[2][TILE];
    __shared__ uint64_t full[2];
    const auto cluster = cg::this_cluster();
    const int rank = (int)cluster.block_rank(), m0 = blockIdx.y * 64, n0 = blockIdx.x * 64;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    if (threadIdx.x == 0) {
        asm volatile("prefetch.tensormap [%0];" :: "l"(&half_a) : "memory");
        for (int s = 0; s < 2; s++)
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" :: "r"(at(&full[s])) : "memory");
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    float d[8][4] = {};
    for (int t = 0; t < tiles; t++) {
        const int s = t % 2;
        cluster.sync();
        if (threadIdx.x == 0) {
            asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" :: "r"(at(&full[s])), "n"(2 * TILE * 2) : "memory");
            asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%2, %3}], [%4], %5;"
                         :: "r"(at(a[s] + rank * TILE / 2)), "l"(&half_a), "r"(t * 64), "r"(m0 + rank * 32), "r"(at(&full[s])), "h"((uint16_t)3) : "memory");
            asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
                         :: "r"(at(b[s])), "l"(&map_b), "r"(n0), "r"(t * 64), "r"(at(&full[s])) : "memory");
        }
        asm volatile("{ .reg .pred done; again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1; @!done bra again; }"
                     :: "r"(at(&full[s])), "r"(t / 2 % 2) : "memory");
        for (int k = 0; k < 64; k += 16) {
            uint32_t fa[4], fb[2];
            asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                         : "=r"(fa[0]), "=r"(fa[1]), "=r"(fa[2]), "=r"(fa[3])
                         : "r"(chunk(a[s], warp * 16 + lane % 16, k + lane / 16 * 8)) : "memory");
            for (int n = 0; n < 8; n++) {
                asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                             : "=r"(fb[0]), "=r"(fb[1]) : "r"(chunk(b[s], k + lane % 16, n * 8)) : "memory");
                asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                             : "+f"(d[n][0]), "+f"(d[n][1]), "+f"(d[n][2]), "+f"(d[n][3])
                             : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "r"(fb[0]), "r"(fb[1]));
            }
        }
    }
    for (int n = 0; n < 8; n++)
        for (int i = 0; i < 4; i++) {
            const int row = m0 + warp * 16 + lane / 4 + i / 2 * 8, col = n0 + n * 8 + lane % 4 * 2 + i % 2;
            if (row < M && col < N)
                c[(size_t)row * N + col] = __float2half(d[n][i]);
        }
    cluster.sync(); // the other block may still be sent to
}
