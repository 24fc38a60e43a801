// spec: basics/transpose  expect: PASS
// Tiles come in and go out by tensor maps; only the turn in between is done by threads.
/* @plan
{ "tune":    { "TILE": [32, 64] },
  "require": [ "M % 4 == 0 && N % 4 == 0" ],
  "launch":  [ { "kernel": "transpose", "grid": ["ceil_div(N, TILE)", "ceil_div(M, TILE)"], "block": [256],
                 "tensormaps": [ { "name": "from", "tensor": "x", "box": ["TILE", "TILE"] },
                                 { "name": "to", "tensor": "y", "dims": ["M", "N"], "box": ["TILE", "TILE"] } ],
                 "args": ["from", "to"] } ] }
*/
#include <cuda.h>
#include <stdint.h>

__device__ __forceinline__ uint32_t at(const void* p) { return (uint32_t)__cvta_generic_to_shared(p); }

extern "C" __global__ void __launch_bounds__(256) transpose(const __grid_constant__ CUtensorMap from,
                                                            const __grid_constant__ CUtensorMap to)
{
    __shared__ __align__(128) float in[TILE * TILE], out[TILE * TILE];
    __shared__ __align__(8) uint64_t full;
    const int column = blockIdx.x * TILE, row = blockIdx.y * TILE;
    if (threadIdx.x == 0) {
        asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" :: "r"(at(&full)) : "memory");
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" :: "r"(at(&full)), "n"(TILE * TILE * 4) : "memory");
        asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
                     :: "r"(at(in)), "l"(&from), "r"(column), "r"(row), "r"(at(&full)) : "memory");
    }
    __syncthreads();
    asm volatile("{ .reg .pred done; again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], 0; @!done bra again; }"
                 :: "r"(at(&full)) : "memory");
    // Along diagonals, so that neither the reads nor the writes of a warp meet in a bank.
    for (int i = threadIdx.x; i < TILE * TILE; i += 256) {
        const int c = i % TILE, r = (i / TILE + c) % TILE;
        out[c * TILE + r] = in[r * TILE + c];
    }
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    __syncthreads();
    if (threadIdx.x == 0) {
        asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%1, %2}], [%3];"
                     :: "l"(&to), "r"(row), "r"(column), "r"(at(out)) : "memory");
        asm volatile("cp.async.bulk.commit_group;" ::: "memory");
        asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
    }
}
