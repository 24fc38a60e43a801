// spec: llm/decode_grouped  expect: PASS
// Flash decoding: keys cut into eight slices, partial results put together by a second launch.
/* @plan
{ "scratch": [ { "name": "part", "dtype": "f32", "count": "B * K * G * 8 * (D + 2)" } ],
  "launch": [ { "kernel": "slices", "grid": [8, "B * K * G"], "block": [32], "shared": "D * 4", "args": ["q", "k", "v", "length", "part", "K", "G", "S", "D"] },
              { "kernel": "join", "grid": ["B * K * G"], "block": [32], "args": ["part", "o", "D"] } ] }
*/
#include <cuda_bf16.h>
extern "C" __global__ void slices(const __nv_bfloat16* q, const __nv_bfloat16* k, const __nv_bfloat16* v, const int* length, float* part, int heads, int group, int s, int d)
{
    extern __shared__ float mine[];
    const int head = blockIdx.y / group, b = head / heads, lane = threadIdx.x, n = length[b];
    const int per = (n + 7) / 8, begin = blockIdx.x * per, end = min(n, begin + per);
    const __nv_bfloat16 *kk = k + (size_t)head * s * d, *vv = v + (size_t)head * s * d;
    float* to = part + ((size_t)blockIdx.y * 8 + blockIdx.x) * (d + 2);
    const float scale = rsqrtf((float)d);
    float m = -INFINITY, l = 0;
    for (int e = lane; e < d; e += 32)
        mine[e] = 0;
    __syncwarp();
    for (int i = begin; i < end; i++) {
        float dot = 0;
        for (int e = lane; e < d; e += 32)
            dot += __bfloat162float(q[(size_t)blockIdx.y * d + e]) * __bfloat162float(kk[(size_t)i * d + e]);
        for (int x = 16; x; x /= 2)
            dot += __shfl_xor_sync(~0u, dot, x);
        dot *= scale;
        const float top = fmaxf(m, dot), shrink = expf(m - top), p = expf(dot - top);
        for (int e = lane; e < d; e += 32)
            mine[e] = mine[e] * shrink + p * __bfloat162float(vv[(size_t)i * d + e]);
        l = l * shrink + p;
        m = top;
    }
    for (int e = lane; e < d; e += 32)
        to[2 + e] = mine[e];
    if (lane == 0) {
        to[0] = m;
        to[1] = l;
    }
}
extern "C" __global__ void join(const float* part, __nv_bfloat16* o, int d)
{
    const float* from = part + (size_t)blockIdx.x * 8 * (d + 2);
    float m = -INFINITY, l = 0;
    for (int i = 0; i < 8; i++)
        m = fmaxf(m, from[i * (d + 2)]);
    for (int i = 0; i < 8; i++)
        l += from[i * (d + 2) + 1] * expf(from[i * (d + 2)] - m);
    for (int e = threadIdx.x; e < d; e += 32) {
        float s = 0;
        for (int i = 0; i < 8; i++)
            s += from[i * (d + 2) + 2 + e] * expf(from[i * (d + 2)] - m);
        o[(size_t)blockIdx.x * d + e] = __float2bfloat16(s / l);
    }
}
