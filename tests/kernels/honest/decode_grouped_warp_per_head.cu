// spec: llm/decode_grouped  expect: PASS
/* @plan
{ "launch": [ { "kernel": "decode", "grid": ["G", "K", "B"], "block": [32, 4], "shared": "(4 * D + 8) * 4",
                "args": ["q", "k", "v", "length", "o", "S"] } ] }
*/
#include <cuda_bf16.h>

// One query head a block; four warps take keys by turns, each with a running maximum, and meet at the end.
extern "C" __global__ void decode(const __nv_bfloat16* q, const __nv_bfloat16* k, const __nv_bfloat16* v,
                                  const int* length, __nv_bfloat16* o, int S)
{
    extern __shared__ float mem[];
    float *acc_s = mem, *max_s = mem + 4 * DIM_D, *sum_s = max_s + 4;
    constexpr int PER = (DIM_D + 31) / 32;
    const int g = blockIdx.x, h = blockIdx.y, b = blockIdx.z, lane = threadIdx.x, w = threadIdx.y;
    const int n = min(length[b], S);
    const size_t qo = (((size_t)b * DIM_K + h) * DIM_G + g) * DIM_D, kv = ((size_t)b * DIM_K + h) * S * DIM_D;
    float qr[PER], acc[PER] = {}, m = -INFINITY, l = 0.f;
    for (int e = 0; e < PER; ++e) {
        int d = lane + 32 * e;
        qr[e] = d < DIM_D ? __bfloat162float(q[qo + d]) * rsqrtf((float)DIM_D) : 0.f;
    }
    for (int j = w; j < n; j += 4) {
        float s = 0.f;
        for (int e = 0; e < PER; ++e) {
            int d = lane + 32 * e;
            if (d < DIM_D) s += qr[e] * __bfloat162float(k[kv + (size_t)j * DIM_D + d]);
        }
        for (int x = 16; x; x >>= 1) s += __shfl_xor_sync(0xffffffffu, s, x);
        const float mn = fmaxf(m, s), c = __expf(m - mn), p = __expf(s - mn);
        l = l * c + p;
        for (int e = 0; e < PER; ++e) {
            int d = lane + 32 * e;
            acc[e] = acc[e] * c + (d < DIM_D ? p * __bfloat162float(v[kv + (size_t)j * DIM_D + d]) : 0.f);
        }
        m = mn;
    }
    for (int e = 0; e < PER; ++e)
        if (lane + 32 * e < DIM_D) acc_s[w * DIM_D + lane + 32 * e] = acc[e];
    if (lane == 0) { max_s[w] = m; sum_s[w] = l; }
    __syncthreads();
    float top = fmaxf(fmaxf(max_s[0], max_s[1]), fmaxf(max_s[2], max_s[3])), total = 0.f;
    for (int i = 0; i < 4; ++i) total += sum_s[i] * __expf(max_s[i] - top);
    for (int d = w * 32 + lane; d < DIM_D; d += 128) {
        float r = 0.f;
        for (int i = 0; i < 4; ++i) r += acc_s[i * DIM_D + d] * __expf(max_s[i] - top);
        o[qo + d] = __float2bfloat16(r / total);
    }
}
