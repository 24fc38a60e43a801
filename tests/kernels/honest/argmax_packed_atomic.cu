// spec: basics/argmax  expect: PASS
/* @plan
{ "launch": [ { "kernel": "argmax", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
#include <cstdint>

// Value in the upper half, turned so that it orders as an integer; the index counts down in the lower.
static __device__ uint64_t pack(float v, uint32_t i)
{
    uint32_t bits = __float_as_uint(v);
    bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return (uint64_t)bits << 32 | (0xffffffffu - i);
}

extern "C" __global__ void argmax(const float* x, int64_t* y, int n)
{
    __shared__ unsigned long long best;
    if (threadIdx.x == 0)
        best = 0ull;
    __syncthreads();
    uint64_t mine = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        uint64_t p = pack(x[(size_t)blockIdx.x * n + i], i);
        mine = p > mine ? p : mine;
    }
    atomicMax(&best, (unsigned long long)mine);
    __syncthreads();
    if (threadIdx.x == 0)
        y[blockIdx.x] = (int64_t)(0xffffffffu - (uint32_t)best);
}
