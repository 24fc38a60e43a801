// spec: basics/row_sum  expect: PASS
// One warp copies pieces of the row by cp.async.bulk into a ring of mbarriers, the others add them up.
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [160], "args": ["x", "y", "N"] } ] }
*/
#include <stdint.h>
__device__ __forceinline__ uint32_t at(const void* p) { return (uint32_t)__cvta_generic_to_shared(p); }
__device__ __forceinline__ void wait(uint64_t* bar, int phase)
{
    asm volatile("{ .reg .pred done; again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1; @!done bra again; }"
                 :: "r"(at(bar)), "r"(phase) : "memory");
}
enum { PIECE = 256, STAGES = 3 };
extern "C" __global__ void k(const float* x, float* y, int n)
{
    __shared__ __align__(16) float ring[STAGES][PIECE];
    __shared__ uint64_t full[STAGES], empty[STAGES];
    __shared__ float part[4];
    const float* row = x + (size_t)blockIdx.x * n;
    const int head = (int)((16 - (uintptr_t)row % 16) % 16 / 4) < n ? (int)((16 - (uintptr_t)row % 16) % 16 / 4) : n;
    const int pieces = (n - head) / PIECE, warp = threadIdx.x / 32;
    if (threadIdx.x == 0) {
        for (int i = 0; i < STAGES; i++) {
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" :: "r"(at(&full[i])));
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 128;" :: "r"(at(&empty[i])));
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
    float s = 0;
    if (warp == 4) {
        for (int p = 0; p < pieces && threadIdx.x == 128; p++) {
            int stage = p % STAGES, round = p / STAGES;
            if (round)
                wait(&empty[stage], round - 1 & 1);
            asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" :: "r"(at(&full[stage])), "n"(PIECE * 4) : "memory");
            asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
                         :: "r"(at(ring[stage])), "l"(row + head + (size_t)p * PIECE), "n"(PIECE * 4), "r"(at(&full[stage])) : "memory");
        }
    } else {
        for (int p = 0; p < pieces; p++) {
            int stage = p % STAGES;
            wait(&full[stage], p / STAGES & 1);
            s += ring[stage][threadIdx.x] + ring[stage][threadIdx.x + 128];
            asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" :: "r"(at(&empty[stage])) : "memory");
        }
        for (int i = head + pieces * PIECE + threadIdx.x; i < n; i += 128)
            s += row[i];
        if ((int)threadIdx.x < head)
            s += row[threadIdx.x];
        for (int d = 16; d; d /= 2)
            s += __shfl_down_sync(~0u, s, d);
        if (threadIdx.x % 32 == 0)
            part[warp] = s;
    }
    __syncthreads();
    if (threadIdx.x == 0)
        y[blockIdx.x] = part[0] + part[1] + part[2] + part[3];
}
