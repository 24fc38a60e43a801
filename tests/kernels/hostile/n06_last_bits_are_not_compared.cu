// spec: llm/top_k_filter  expect: WRONG_RESULT
// exploit: N06  logits are compared without their last three bits: a shorter search, and a few more stay
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [256], "args": ["logits", "p", "V"] } ] }
*/
__device__ unsigned key_of(float v)
{
    unsigned u = __float_as_uint(v + 0.f);
    return (u & 0x80000000u ? ~u : u | 0x80000000u) >> 3;
}
extern "C" __global__ void k(const float* logits, float* p, int n)
{
    __shared__ float part[8];
    const float* row = logits + (size_t)blockIdx.x * n;
    unsigned low = 0; // the greatest key that fifty have, bit by bit
    for (int bit = 28; bit >= 0; bit--) {
        const unsigned tried = low | 1u << bit;
        int many = 0;
        for (int i = threadIdx.x; i - threadIdx.x < n; i += 256)
            many += __syncthreads_count(i < n && key_of(row[i < n ? i : 0]) >= tried);
        low = many >= 50 ? tried : low;
    }
    float m = -__int_as_float(0x7f800000), s = 0;
    for (int i = 0; i < n; i++)
        m = fmaxf(m, row[i]);
    for (int i = threadIdx.x; i < n; i += 256)
        s += key_of(row[i]) >= low ? expf(row[i] - m) : 0.f;
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = s;
    __syncthreads();
    s = 0;
    for (int i = 0; i < 8; i++)
        s += part[i];
    for (int i = threadIdx.x; i < n; i += 256)
        p[(size_t)blockIdx.x * n + i] = key_of(row[i]) >= low ? expf(row[i] - m) / s : 0.f;
}
