// spec: basics/matmul_f16  expect: PASS  arch: sm_90a
// wgmma.m64n64k16 from shared memory without swizzle: 8 x 8 core matrices.
/* @plan
{ "launch": [ { "kernel": "gemm", "grid": ["ceil_div(N, 64)", "ceil_div(M, 64)"], "block": [128], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <cuda_fp16.h>
#include <stdint.h>
// Core matrices of 8 rows of 16 bytes, one after the other: those along k are 128 bytes apart, those along m or n
// 256 bytes (two of them make the 16 of a k step).
__device__ __forceinline__ int spot(int row, int k) { return (row / 8 * 2 + k / 8) * 64 + row % 8 * 8 + k % 8; }
__device__ __forceinline__ uint64_t descriptor(const __half* p)
{
    uint64_t at = (uint32_t)__cvta_generic_to_shared(p);
    return (at & 0x3ffff) >> 4 | (uint64_t)(128 >> 4) << 16 | (uint64_t)(256 >> 4) << 32;
}

extern "C" __global__ void __launch_bounds__(128) gemm(const __half* a, const __half* b, __half* c, int M, int N, int K)
{
    __shared__ __align__(128) __half sa[64 * 16], sb[64 * 16];
    const int m0 = blockIdx.y * 64, n0 = blockIdx.x * 64;
    float d[32];
    for (int i = 0; i < 32; i++)
        d[i] = 0;
    for (int k0 = 0; k0 < K; k0 += 16) {
        for (int i = threadIdx.x; i < 64 * 16; i += 128) {
            int r = i / 16, q = i % 16, kb = i / 64, n = i % 64;
            sa[spot(r, q)] = m0 + r < M && k0 + q < K ? a[(size_t)(m0 + r) * K + k0 + q] : __float2half(0.f);
            sb[spot(n, kb)] = n0 + n < N && k0 + kb < K ? b[(size_t)(k0 + kb) * N + n0 + n] : __float2half(0.f);
        }
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        __syncthreads();
        asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
        asm volatile("{ wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 "
                     "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                     "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
                     "%32, %33, 1, 1, 1, 0, 0; }"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
                       "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
                       "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
                       "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31])
                     : "l"(descriptor(sa)), "l"(descriptor(sb)));
        asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
        asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
        __syncthreads();
    }
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    for (int i = 0; i < 32; i++) {
        int row = m0 + warp * 16 + lane / 4 + i / 2 % 2 * 8, col = n0 + i / 4 * 8 + lane % 4 * 2 + i % 2;
        if (row < M && col < N)
            c[(size_t)row * N + col] = __float2half(d[i]);
    }
}
