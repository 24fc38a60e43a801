// spec: basics/matmul_f16  expect: PASS  arch: sm_90a
// The way of Hopper: one warpgroup fills a ring of tiles by TMA, swizzled by 128 bytes, two multiply with wgmma. b stays as
// it is, its columns contiguous (MN-major). Each warpgroup hands its 64 rows of c back to TMA, swizzled, too.
/* @plan
{ "tune":    { "STAGES": [4, 3] },
  "require": [ "K % 8 == 0 && N % 8 == 0" ],
  "launch":  [ { "kernel": "gemm", "grid": ["ceil_div(N, 128)", "ceil_div(M, 128)"], "block": [384],
                 "shared": "1024 + (STAGES + 1) * 2 * 128 * 64 * 2",
                 "tensormaps": [ { "name": "map_a", "tensor": "a", "dims": ["K", "M"], "box": [64, 128], "swizzle": 128 },
                                 { "name": "map_b", "tensor": "b", "dims": ["N", "K"], "box": [64, 64], "swizzle": 128 },
                                 { "name": "map_c", "tensor": "c", "dims": ["N", "M"], "box": [64, 64], "swizzle": 128 } ],
                 "args": ["map_a", "map_b", "map_c", "ceil_div(K, 64)"] } ] }
*/
#include <cuda.h>
#include <cuda_fp16.h>
#include <stdint.h>

enum { BM = 128, BN = 128, BK = 64, TILE = 128 * 64, HALF = 64 * 64 };

__device__ __forceinline__ uint32_t at(const void* p) { return (uint32_t)__cvta_generic_to_shared(p); }

__device__ __forceinline__ void wait(uint64_t* bar, int parity)
{
    asm volatile("{ .reg .pred done; again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1; @!done bra again; }"
                 :: "r"(at(bar)), "r"(parity) : "memory");
}

__device__ __forceinline__ void load(void* to, const CUtensorMap* map, int x, int y, uint64_t* bar)
{
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
                 :: "r"(at(to)), "l"(map), "r"(x), "r"(y), "r"(at(bar)) : "memory");
}

// Eight lines of 128 bytes are an atom. a: the next eight rows are 1024 bytes on. b: the next eight k are, and the next 64
// columns are in the next box.
__device__ __forceinline__ uint64_t descriptor(const void* p, uint32_t next_box)
{
    return (uint64_t)((at(p) & 0x3ffff) >> 4) | (uint64_t)(next_box >> 4) << 16 | (uint64_t)(1024 >> 4) << 32 | 1ull << 62;
}

#define R8(i)  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7])
__device__ __forceinline__ void multiply(float (&d)[64], uint64_t a, uint64_t b)
{
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
                 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
                 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
                 "%64, %65, 1, 1, 1, 0, 1;"
                 : R8(0), R8(8), R8(16), R8(24), R8(32), R8(40), R8(48), R8(56) : "l"(a), "l"(b) : "memory");
}

extern "C" __global__ void __launch_bounds__(384)
gemm(const __grid_constant__ CUtensorMap map_a, const __grid_constant__ CUtensorMap map_b,
     const __grid_constant__ CUtensorMap map_c, int tiles)
{
    extern __shared__ char raw[];
    __shared__ uint64_t full[STAGES], empty[STAGES];
    __half* const base = (__half*)(((uintptr_t)raw + 1023) & ~(uintptr_t)1023);
    __half *const a = base, *const b = a + STAGES * TILE, *const c = b + STAGES * TILE;
    const int group = threadIdx.x / 128, lane = threadIdx.x % 32;
    const int column = blockIdx.x * BN, row = blockIdx.y * BM;
    if (threadIdx.x == 0) {
        for (int s = 0; s < STAGES; s++) {
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" :: "r"(at(&full[s])) : "memory");
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 2;" :: "r"(at(&empty[s])) : "memory");
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
    if (group == 2) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
        for (int t = 0; t < tiles && threadIdx.x == 256; t++) {
            const int s = t % STAGES;
            wait(&empty[s], t / STAGES % 2 ^ 1);
            asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" :: "r"(at(&full[s])), "n"(2 * TILE * 2) : "memory");
            load(a + s * TILE, &map_a, t * BK, row, &full[s]);
            load(b + s * TILE, &map_b, column, t * BK, &full[s]);
            load(b + s * TILE + HALF, &map_b, column + 64, t * BK, &full[s]);
        }
        return;
    }
    asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
    float d[64] = {};
    for (int t = 0; t < tiles; t++) {
        const int s = t % STAGES;
        wait(&full[s], t / STAGES % 2);
        asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
        for (int k = 0; k < BK; k += 16)
            multiply(d, descriptor(a + s * TILE + group * HALF + k, 16), descriptor(b + s * TILE + k * 64, HALF * 2));
        asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
        asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
        if (threadIdx.x % 128 == 0)
            asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" :: "r"(at(&empty[s])) : "memory");
    }
    __half* const mine = c + group * TILE; // two boxes of 64 columns
    for (int i = 0; i < 64; i += 2) {
        const int r = threadIdx.x % 128 / 32 * 16 + lane / 4 + i / 2 % 2 * 8, q = i / 4 * 8 + lane % 4 * 2;
        const int chunk = q % 64 / 8 ^ r % 8;
        *(__half2*)&mine[q / 64 * HALF + r * 64 + chunk * 8 + q % 8] = __floats2half2_rn(d[i], d[i + 1]);
    }
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    asm volatile("bar.sync %0, 128;" :: "r"(group + 1) : "memory");
    if (threadIdx.x % 128 == 0) {
        for (int half = 0; half < 2; half++)
            asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%1, %2}], [%3];"
                         :: "l"(&map_c), "r"(column + half * 64), "r"(row + group * 64), "r"(at(mine + half * HALF)) : "memory");
        asm volatile("cp.async.bulk.commit_group;" ::: "memory");
        asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
    }
}
