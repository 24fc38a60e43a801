// spec: basics/matmul_f16  expect: PASS
/* @plan
{ "launch": [ { "kernel": "hgemm", "grid": ["ceil_div(N, 16)", "ceil_div(M, 16)"], "block": [16, 16],
                "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <cuda_fp16.h>

// half2 along k where the rows of a begin evenly; the sums are in float, the result is put together by half2
// arithmetic that is exact.
extern "C" __global__ void hgemm(const half* a, const half* b, half* c, int M, int N, int K)
{
    const int col = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y * blockDim.y + threadIdx.y;
    if (row >= M || col >= N)
        return;
    float acc = 0.f;
    int k = 0;
    if (K % 2 == 0)
        for (; k + 1 < K; k += 2) {
            const half2 pair = *reinterpret_cast<const half2*>(&a[(size_t)row * K + k]);
            const half2 other = __halves2half2(b[(size_t)k * N + col], b[(size_t)(k + 1) * N + col]);
            const float2 u = __half22float2(pair), v = __half22float2(other);
            acc = __fmaf_rn(u.x, v.x, acc);
            acc = __fmaf_rn(u.y, v.y, acc);
        }
    for (; k < K; k++)
        acc += __half2float(a[(size_t)row * K + k]) * __half2float(b[(size_t)k * N + col]);
    const half2 both = __float2half2_rn(acc);
    const half2 positive = __hmax2(both, __float2half2_rn(0.f)), negative = __hmin2(both, __float2half2_rn(0.f));
    c[(size_t)row * N + col] = __low2half(__hadd2(positive, negative));
}
