// spec: basics/matmul  expect: PASS
// Each block adds its share of the sum over k to a tile of c by a reducing tensor copy; a launch before clears c.
/* @plan
{ "tune":    { "SPLITS": [4, 2] },
  "require": [ "K % 4 == 0 && N % 4 == 0" ],
  "launch":  [ { "kernel": "clear", "grid": ["ceil_div(M * N, 1024)"], "block": [256], "args": ["c", "M * N"] },
               { "kernel": "product", "grid": ["ceil_div(N, 64)", "ceil_div(M, 64)", "SPLITS"], "block": [256],
                 "tensormaps": [ { "name": "map_a", "tensor": "a", "box": [16, 64] },
                                 { "name": "map_b", "tensor": "b", "box": [64, 16] },
                                 { "name": "map_c", "tensor": "c", "box": [64, 64] } ],
                 "args": ["map_a", "map_b", "map_c", "ceil_div(K, 16)"] } ] }
*/
#include <cuda.h>
#include <stdint.h>

enum { TILE = 64, BK = 16 };

extern "C" __global__ void clear(float* c, int n)
{
    for (int i = blockIdx.x * 1024 + threadIdx.x, k = 0; k < 4 && i < n; k++, i += 256)
        c[i] = 0;
}

__device__ __forceinline__ uint32_t at(const void* p) { return (uint32_t)__cvta_generic_to_shared(p); }
__device__ __forceinline__ void load(float* to, const CUtensorMap* map, int x, int y, uint64_t* bar)
{
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
                 :: "r"(at(to)), "l"(map), "r"(x), "r"(y), "r"(at(bar)) : "memory");
}

extern "C" __global__ void __launch_bounds__(256)
product(const __grid_constant__ CUtensorMap map_a, const __grid_constant__ CUtensorMap map_b,
        const __grid_constant__ CUtensorMap map_c, int steps)
{
    __shared__ __align__(128) float a[2][TILE * BK], b[2][BK * TILE], c[TILE * TILE];
    __shared__ uint64_t full[2];
    const int column = blockIdx.x * TILE, row = blockIdx.y * TILE;
    const int share = (steps + SPLITS - 1) / SPLITS, begin = blockIdx.z * share;
    const int end = begin + share < steps ? begin + share : steps;
    const int x = threadIdx.x % 16, y = threadIdx.x / 16;
    float sum[4][4] = {};
    auto bring = [&](int k) {
        uint64_t* const bar = &full[(k - begin) % 2];
        asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" :: "r"(at(bar)), "n"(2 * TILE * BK * 4) : "memory");
        load(a[(k - begin) % 2], &map_a, k * BK, row, bar);
        load(b[(k - begin) % 2], &map_b, column, k * BK, bar);
    };
    if (begin >= end)
        return;
    if (threadIdx.x == 0) {
        for (int s = 0; s < 2; s++)
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" :: "r"(at(&full[s])) : "memory");
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        bring(begin);
    }
    __syncthreads();
    for (int k = begin; k < end; k++) {
        const int stage = (k - begin) % 2;
        if (threadIdx.x == 0 && k + 1 < end)
            bring(k + 1);
        asm volatile("{ .reg .pred p; wait: mbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1; @!p bra wait; }"
                     :: "r"(at(&full[stage])), "r"((k - begin) / 2 % 2) : "memory");
        for (int q = 0; q < BK; q++) {
            const float4 w = *(const float4*)&b[stage][q * TILE + x * 4];
            for (int r = 0; r < 4; r++) {
                const float v = a[stage][(y * 4 + r) * BK + q];
                sum[r][0] += v * w.x, sum[r][1] += v * w.y, sum[r][2] += v * w.z, sum[r][3] += v * w.w;
            }
        }
        __syncthreads(); // the stage is free
    }
    for (int r = 0; r < 4; r++)
        *(float4*)&c[(y * 4 + r) * TILE + x * 4] = make_float4(sum[r][0], sum[r][1], sum[r][2], sum[r][3]);
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    __syncthreads();
    if (threadIdx.x == 0) {
        asm volatile("cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.tile.bulk_group [%0, {%1, %2}], [%3];"
                     :: "l"(&map_c), "r"(column), "r"(row), "r"(at(c)) : "memory");
        asm volatile("cp.async.bulk.commit_group;" ::: "memory");
        asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
    }
}
