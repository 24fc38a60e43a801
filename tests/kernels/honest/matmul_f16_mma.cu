// spec: basics/matmul_f16  expect: PASS
/* @plan
{ "launch": [ { "kernel": "hgemm", "grid": ["ceil_div(N, 64)", "ceil_div(M, 64)"], "block": [128],
                "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <stdint.h>

// 64 x 64 a block, 32 x 32 a warp, two stages of 32 columns of a by cp.async, ldmatrix, mma.m16n8k16. Rows that are not
// multiples of 16 bytes, and the edges, are copied by the threads.
constexpr int BM = 64, BN = 64, BK = 32, PAD = 8;

__device__ __forceinline__ uint32_t smem(const void* p) { return (uint32_t)__cvta_generic_to_shared(p); }

__device__ __forceinline__ void copy8(__half* to, const __half* from, int have, bool aligned)
{
    if (aligned) {
        int bytes = have < 0 ? 0 : have > 8 ? 16 : have * 2;
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(smem(to)), "l"(from), "r"(bytes) : "memory");
    } else {
        for (int i = 0; i < 8; i++)
            to[i] = i < have ? from[i] : __float2half(0.f);
    }
}

extern "C" __global__ void __launch_bounds__(128) hgemm(const __half* __restrict__ a, const __half* __restrict__ b,
                                                        __half* __restrict__ c, int M, int N, int K)
{
    __shared__ __align__(16) __half sa[2][BM][BK + PAD], sb[2][BK][BN + PAD];
    const int t = threadIdx.x, lane = t % 32, warp = t / 32, m0 = blockIdx.y * BM, n0 = blockIdx.x * BN;
    const int wm = warp / 2 * 32, wn = warp % 2 * 32, tiles = (K + BK - 1) / BK;
    float acc[2][4][4] = {};

    auto load = [&](int stage, int k0) {
        for (int i = t; i < BM * BK / 8; i += 128) {
            int r = i / (BK / 8), k = i % (BK / 8) * 8, have = m0 + r < M ? K - k0 - k : 0;
            copy8(&sa[stage][r][k], have > 0 ? a + (size_t)(m0 + r) * K + k0 + k : a, have, K % 8 == 0);
        }
        for (int i = t; i < BK * BN / 8; i += 128) {
            int k = i / (BN / 8), n = i % (BN / 8) * 8, have = k0 + k < K ? N - n0 - n : 0;
            copy8(&sb[stage][k][n], have > 0 ? b + (size_t)(k0 + k) * N + n0 + n : b, have, N % 8 == 0);
        }
        asm volatile("cp.async.commit_group;");
    };
    load(0, 0);
    for (int tile = 0; tile < tiles; tile++) {
        int s = tile & 1;
        if (tile + 1 < tiles)
            load(s ^ 1, (tile + 1) * BK);
        else
            asm volatile("cp.async.commit_group;");
        asm volatile("cp.async.wait_group 1;" ::: "memory");
        __syncthreads();
        for (int k = 0; k < BK; k += 16) {
            uint32_t fa[2][4], fb[4][2];
            for (int i = 0; i < 2; i++)
                asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                             : "=r"(fa[i][0]), "=r"(fa[i][1]), "=r"(fa[i][2]), "=r"(fa[i][3])
                             : "r"(smem(&sa[s][wm + i * 16 + lane % 16][k + lane / 16 * 8])));
            for (int j = 0; j < 4; j++)
                asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                             : "=r"(fb[j][0]), "=r"(fb[j][1])
                             : "r"(smem(&sb[s][k + lane % 16][wn + j * 8])));
            for (int i = 0; i < 2; i++)
                for (int j = 0; j < 4; j++)
                    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                                 "{%0,%1,%2,%3};"
                                 : "+f"(acc[i][j][0]), "+f"(acc[i][j][1]), "+f"(acc[i][j][2]), "+f"(acc[i][j][3])
                                 : "r"(fa[i][0]), "r"(fa[i][1]), "r"(fa[i][2]), "r"(fa[i][3]), "r"(fb[j][0]), "r"(fb[j][1]));
        }
        __syncthreads();
    }
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            for (int e = 0; e < 4; e++) {
                int r = m0 + wm + i * 16 + lane / 4 + e / 2 * 8, n = n0 + wn + j * 8 + lane % 4 * 2 + e % 2;
                if (r < M && n < N)
                    c[(size_t)r * N + n] = __float2half(acc[i][j][e]);
            }
}
