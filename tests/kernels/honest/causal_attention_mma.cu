// spec: basics/causal_attention  expect: PASS
/* @plan
{ "launch": [ { "kernel": "attention", "grid": ["ceil_div(S, 64)", "B * H"], "block": [128],
                "args": ["q", "k", "v", "o", "S"] } ] }
*/
#include <cuda_runtime.h>
#include <stdint.h>

constexpr int D = DIM_D, BQ = 64, BK = 32;

// Both products on tensor cores in three tf32 passes each (high x high, high x low, low x high), which keeps f32 accuracy; a
// warp owns 16 queries, keys pass 32 at a time by cp.async, softmax is online in registers.
__device__ __forceinline__ uint32_t high(float x) { return __float_as_uint(x) & 0xffffe000u; }
__device__ __forceinline__ uint32_t low(float x) { return __float_as_uint(x - __uint_as_float(high(x))); }

__device__ __forceinline__ void mma(float* c, const uint32_t* a, const uint32_t* b)
{
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ void mma3(float* c, const float* a, const float* b)
{
    uint32_t ah[4], al[4], bh[2], bl[2];
    for (int i = 0; i < 4; i++)
        ah[i] = high(a[i]), al[i] = low(a[i]);
    for (int i = 0; i < 2; i++)
        bh[i] = high(b[i]), bl[i] = low(b[i]);
    mma(c, al, bh);
    mma(c, ah, bl);
    mma(c, ah, bh);
}

extern "C" __global__ void __launch_bounds__(128) attention(const float* __restrict__ q, const float* __restrict__ k,
                                                            const float* __restrict__ v, float* __restrict__ o, int S)
{
    __shared__ __align__(16) float sk[BK][D + 4], sv[BK][D + 4], sp[4][16][BK + 4];
    const int t = threadIdx.x, lane = t % 32, warp = t / 32, g = lane / 4, c = lane % 4;
    const size_t base = (size_t)blockIdx.y * S * D;
    const int q0 = blockIdx.x * BQ + warp * 16;
    float out[D / 8][4] = {}, most[2] = {-INFINITY, -INFINITY}, total[2] = {};
    const float scale = rsqrtf((float)D);

    for (int k0 = 0; k0 < min(S, (int)(blockIdx.x + 1) * BQ); k0 += BK) {
        __syncthreads();
        for (int i = t; i < BK * D / 4; i += 128) {
            int r = i / (D / 4), d = i % (D / 4) * 4, bytes = k0 + r < S ? 16 : 0;
            size_t from = base + (size_t)(bytes ? k0 + r : 0) * D + d;
            asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"((uint32_t)__cvta_generic_to_shared(&sk[r][d])),
                         "l"(k + from), "r"(bytes) : "memory");
            asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"((uint32_t)__cvta_generic_to_shared(&sv[r][d])),
                         "l"(v + from), "r"(bytes) : "memory");
        }
        asm volatile("cp.async.wait_all;" ::: "memory");
        __syncthreads();
        float s[BK / 8][4] = {};
        for (int d = 0; d < D; d += 8) {
            float a[4];
            for (int i = 0; i < 4; i++) {
                int row = q0 + g + (i & 1) * 8;
                a[i] = row < S ? q[base + (size_t)row * D + d + c + i / 2 * 4] : 0.f;
            }
            for (int j = 0; j < BK / 8; j++) {
                float b[2] = {sk[j * 8 + g][d + c], sk[j * 8 + g][d + c + 4]};
                mma3(s[j], a, b);
            }
        }
        for (int h = 0; h < 2; h++) {
            int row = q0 + g + h * 8;
            float peak = most[h], sum = 0.f;
            for (int j = 0; j < BK / 8; j++)
                for (int e = 0; e < 2; e++) {
                    int col = k0 + j * 8 + c * 2 + e;
                    float& x = s[j][h * 2 + e];
                    x = col <= row && col < S ? x * scale : -INFINITY;
                    peak = fmaxf(peak, x);
                }
            peak = fmaxf(peak, __shfl_xor_sync(~0u, peak, 1));
            peak = fmaxf(peak, __shfl_xor_sync(~0u, peak, 2));
            float keep = peak == -INFINITY ? 1.f : expf(most[h] - peak);
            for (int j = 0; j < BK / 8; j++)
                for (int e = 0; e < 2; e++) {
                    float p = peak == -INFINITY ? 0.f : expf(s[j][h * 2 + e] - peak);
                    sp[warp][g + h * 8][j * 8 + c * 2 + e] = p;
                    sum += p;
                }
            sum += __shfl_xor_sync(~0u, sum, 1);
            sum += __shfl_xor_sync(~0u, sum, 2);
            total[h] = total[h] * keep + sum;
            most[h] = peak;
            for (int j = 0; j < D / 8; j++) {
                out[j][h * 2] *= keep;
                out[j][h * 2 + 1] *= keep;
            }
        }
        __syncwarp();
        for (int kk = 0; kk < BK; kk += 8) {
            float a[4];
            for (int i = 0; i < 4; i++)
                a[i] = sp[warp][g + (i & 1) * 8][kk + c + i / 2 * 4];
            for (int j = 0; j < D / 8; j++) {
                float b[2] = {sv[kk + c][j * 8 + g], sv[kk + c + 4][j * 8 + g]};
                mma3(out[j], a, b);
            }
        }
        __syncwarp();
    }
    for (int j = 0; j < D / 8; j++)
        for (int e = 0; e < 4; e++) {
            int row = q0 + g + e / 2 * 8;
            if (row < S)
                o[base + (size_t)row * D + j * 8 + c * 2 + e % 2] = out[j][e] / total[e / 2];
        }
}
