// spec: llm/top_k_filter  expect: PASS
// The 50th largest by radix selection with histograms in shared memory, then softmax over what stays.
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [256], "args": ["logits", "p", "V"] } ] }
*/
__device__ unsigned key_of(float v)
{
    unsigned u = __float_as_uint(v);
    return u & 0x80000000u ? ~u : u | 0x80000000u;
}
extern "C" __global__ void k(const float* logits, float* p, int n)
{
    __shared__ unsigned count[256], digit, left;
    __shared__ float part[8];
    const float* row = logits + (size_t)blockIdx.x * n;
    unsigned prefix = 0, want = 50;
    for (int shift = 24; shift >= 0; shift -= 8) {
        count[threadIdx.x] = 0;
        __syncthreads();
        for (int i = threadIdx.x; i < n; i += 256) {
            unsigned key = key_of(row[i] + 0.f);
            if (shift == 24 || key >> (shift + 8) == prefix)
                atomicAdd(&count[key >> shift & 255], 1u);
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            unsigned seen = 0;
            int d = 255;
            for (; d > 0 && seen + count[d] < want; d--)
                seen += count[d];
            digit = d;
            left = want - seen;
        }
        __syncthreads();
        prefix = prefix << 8 | digit;
        want = left;
        __syncthreads();
    }
    float m = -INFINITY, s = 0;
    for (int i = threadIdx.x; i < n; i += 256)
        m = fmaxf(m, row[i]);
    for (int d = 16; d; d /= 2)
        m = fmaxf(m, __shfl_xor_sync(~0u, m, d));
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = m;
    __syncthreads();
    for (int i = 0; i < 8; i++)
        m = fmaxf(m, part[i]);
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += 256)
        s += key_of(row[i] + 0.f) >= prefix ? expf(row[i] - m) : 0.f;
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = s;
    __syncthreads();
    s = 0;
    for (int i = 0; i < 8; i++)
        s += part[i];
    for (int i = threadIdx.x; i < n; i += 256)
        p[(size_t)blockIdx.x * n + i] = key_of(row[i] + 0.f) >= prefix ? expf(row[i] - m) / s : 0.f;
}
