// spec: llm/attention_f16  expect: PASS
// Flash attention: 16 queries a warp-pair in registers of floats, tiles of 32 keys in shared memory, online.
/* @plan
{ "require": [ "D <= 64" ],
  "launch": [ { "kernel": "k", "grid": ["ceil_div(S, 16)", "B * H"], "block": [128], "args": ["q", "k", "v", "o", "S", "D"] } ] }
*/
#include <cuda_fp16.h>
extern "C" __global__ void k(const __half* q, const __half* k, const __half* v, __half* o, int s, int d)
{
    __shared__ float sq[16][65], sk[32][65], sv[32][65], sp[16][33];
    const size_t base = (size_t)blockIdx.y * s * d;
    const int r = threadIdx.x / 8, part = threadIdx.x % 8, row = blockIdx.x * 16 + r; // 8 threads a query
    const float scale = 1.f / sqrtf((float)d);
    for (int i = threadIdx.x; i < 16 * d; i += 128) {
        int a = i / d, e = i % d, from = blockIdx.x * 16 + a;
        sq[a][e] = from < s ? __half2float(q[base + (size_t)from * d + e]) : 0.f;
    }
    float m = -INFINITY, l = 0, acc[8] = {};
    for (int k0 = 0; k0 < s; k0 += 32) {
        __syncthreads();
        for (int i = threadIdx.x; i < 32 * d; i += 128) {
            int a = i / d, e = i % d;
            bool in = k0 + a < s;
            sk[a][e] = in ? __half2float(k[base + (size_t)(k0 + a) * d + e]) : 0.f;
            sv[a][e] = in ? __half2float(v[base + (size_t)(k0 + a) * d + e]) : 0.f;
        }
        __syncthreads();
        float p[4], top = m;
        for (int j = 0; j < 4; j++) {
            int key = part * 4 + j;
            float dot = 0;
            for (int e = 0; e < d; e++)
                dot = fmaf(sq[r][e], sk[key][e], dot);
            p[j] = k0 + key < s ? dot * scale : -INFINITY;
            top = fmaxf(top, p[j]);
        }
        for (int x = 4; x; x /= 2)
            top = fmaxf(top, __shfl_xor_sync(~0u, top, x));
        const float shrink = __expf(m - top);
        float sum = 0;
        for (int j = 0; j < 4; j++) {
            float w = __expf(p[j] - top);
            sp[r][part * 4 + j] = w;
            sum += w;
        }
        for (int x = 4; x; x /= 2)
            sum += __shfl_xor_sync(~0u, sum, x);
        l = l * shrink + sum;
        m = top;
        __syncwarp();
        for (int e = 0; e < 8; e++) {
            acc[e] *= shrink;
            for (int key = 0; key < 32 && part + 8 * e < d; key++)
                acc[e] = fmaf(sp[r][key], sv[key][part + 8 * e], acc[e]);
        }
    }
    for (int e = 0; e < 8; e++)
        if (row < s && part + 8 * e < d)
            o[base + (size_t)row * d + part + 8 * e] = __float2half(acc[e] / l);
}
