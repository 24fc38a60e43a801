// spec: llm/moe_gate_top2  expect: PASS
/* @plan
{ "launch": [ { "kernel": "gate", "grid": ["ceil_div(T, 8)"], "block": [32, 8],
                "args": ["logits", "weight", "expert", "T", "E"] } ] }
*/
// A warp a token: ordered keys with the expert in the low half, two best of every lane, merged by shuffles.
__device__ __forceinline__ unsigned long long key_of(float v, int e)
{
    unsigned u = __float_as_uint(v + 0.f);
    u = u & 0x80000000u ? ~u : u | 0x80000000u;
    return (unsigned long long)u << 32 | (unsigned)~e;
}
__device__ __forceinline__ float value_of(unsigned long long key)
{
    const unsigned u = (unsigned)(key >> 32);
    return __uint_as_float(u & 0x80000000u ? u & 0x7fffffffu : ~u);
}

extern "C" __global__ void gate(const float* logits, float* weight, int* expert, int tokens, int experts)
{
    const int t = blockIdx.x * blockDim.y + threadIdx.y;
    if (t >= tokens)
        return;
    unsigned long long first = 0, second = 0;
    auto offer = [&](unsigned long long key) {
        if (key > first)
            second = first, first = key;
        else if (key > second)
            second = key;
    };
    for (int e = threadIdx.x; e < experts; e += 32)
        offer(key_of(logits[(size_t)t * experts + e], e));
    for (int d = 16; d; d >>= 1) {
        const unsigned long long a = __shfl_down_sync(~0u, first, d), b = __shfl_down_sync(~0u, second, d);
        if (threadIdx.x + d < 32)
            offer(a), offer(b);
    }
    if (threadIdx.x)
        return;
    const float less = __expf(value_of(second) - value_of(first)), all = 1.f + less;
    reinterpret_cast<float2*>(weight)[t] = make_float2(1.f / all, less / all);
    reinterpret_cast<int2*>(expert)[t] = make_int2((int)~(unsigned)first, (int)~(unsigned)second);
}
