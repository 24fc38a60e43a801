// spec: basics/vector_add  expect: PASS
/* @plan
{ "tune": { "BLOCK": [128, 256], "PER_THREAD": [2, 1, 4] },
  "require": [ "BLOCK % 32 == 0" ],
  "launch": [ { "kernel": "add_kernel", "grid": ["ceil_div(N, BLOCK * PER_THREAD)"], "block": ["BLOCK"],
                "args": ["a", "b", "c", "N"] } ] }
*/
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cuda_runtime.h>
#include <type_traits>

template <typename T, int N>
__device__ __forceinline__ void add_strip(const T* a, const T* b, T* c, int64_t first, int64_t n)
{
    static_assert(std::is_same<T, float>::value, "float only");
#pragma unroll
    for (int k = 0; k < N; ++k) {
        const int64_t i = first + static_cast<int64_t>(k) * BLOCK;
        if (i < n)
            c[i] = a[i] + b[i];
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK)
add_kernel(const float* a, const float* b, float* c, int64_t n)
{
    const int64_t first = static_cast<int64_t>(blockIdx.x) * BLOCK * PER_THREAD + threadIdx.x;
    add_strip<float, PER_THREAD>(a, b, c, std::min(first, n), n);
}
