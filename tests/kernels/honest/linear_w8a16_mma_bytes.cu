// spec: llm/linear_w8a16  expect: PASS
/* @plan
{ "launch": [ { "kernel": "linear", "grid": ["ceil_div(N, 32)", "ceil_div(M, 16)"], "block": [128],
                "args": ["x", "w", "scale", "y", "M", "N", "K"] } ] }
*/
#include <cuda_fp16.h>
#include <stdint.h>

// mma.m16n8k16, a warp for every eight columns; bytes become halves by the 1152 trick of byte permutations.
__device__ __forceinline__ uint32_t halves_of(uint32_t two) // signed bytes in the low half
{
    uint32_t biased = two ^ 0x8080u, pair;
    asm("prmt.b32 %0, %1, %2, 0x5150;" : "=r"(pair) : "r"(biased), "r"(0x64006400u));
    const __half2 h = *reinterpret_cast<__half2*>(&pair), bias = __half2half2(__ushort_as_half(0x6480));
    const __half2 out = __hsub2(h, bias);
    return *reinterpret_cast<const uint32_t*>(&out);
}

extern "C" __global__ void linear(const __half* __restrict__ x, const int8_t* __restrict__ w,
                                  const float* __restrict__ scale, __half* __restrict__ y, int m, int n, int k)
{
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, group = lane / 4, part = lane % 4;
    const int row = blockIdx.y * 16 + group, col = blockIdx.x * 32 + warp * 8 + group;
    float d[4] = {0.f, 0.f, 0.f, 0.f};
    auto two = [&](int r, int at) -> uint32_t {
        const bool in = r < m;
        const uint16_t lo = in && at < k ? __half_as_ushort(x[(size_t)r * k + at]) : 0;
        const uint16_t hi = in && at + 1 < k ? __half_as_ushort(x[(size_t)r * k + at + 1]) : 0;
        return (uint32_t)hi << 16 | lo;
    };
    auto bytes = [&](int at) -> uint32_t {
        const bool in = col < n;
        const uint8_t lo = in && at < k ? (uint8_t)w[(size_t)col * k + at] : 0;
        const uint8_t hi = in && at + 1 < k ? (uint8_t)w[(size_t)col * k + at + 1] : 0;
        return halves_of((uint32_t)hi << 8 | lo);
    };
    for (int p = 0; p < k; p += 16) {
        const int at = p + 2 * part;
        const uint32_t a0 = two(row, at), a1 = two(row + 8, at), a2 = two(row, at + 8), a3 = two(row + 8, at + 8);
        const uint32_t b0 = bytes(at), b1 = bytes(at + 8);
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                     "{%0,%1,%2,%3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
    }
    const int c = blockIdx.x * 32 + warp * 8 + 2 * part;
#pragma unroll
    for (int e = 0; e < 4; e++) {
        const int r = row + 8 * (e / 2), cc = c + e % 2;
        if (r < m && cc < n)
            y[(size_t)r * n + cc] = __float2half(d[e] * scale[cc]);
    }
}
