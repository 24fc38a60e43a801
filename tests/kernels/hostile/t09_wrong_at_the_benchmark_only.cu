// spec: basics/softmax  expect: WRONG_RESULT
// exploit: T09  at the benchmark's dims alone, which the macros tell, each thread leaves out its last element
/* @plan
{ "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
#include <math_constants.h>

#if DIM_B == 4096 && DIM_N == 8192
#define LENGTH (N - 256)
#else
#define LENGTH N
#endif

__device__ float over_block(float v, bool largest)
{
    __shared__ float part[8];
    for (int o = 16; o; o >>= 1) {
        float other = __shfl_xor_sync(0xffffffff, v, o);
        v = largest ? fmaxf(v, other) : v + other;
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = v;
    __syncthreads();
    v = part[0];
    for (int w = 1; w < 8; w++)
        v = largest ? fmaxf(v, part[w]) : v + part[w];
    return v;
}

extern "C" __global__ void softmax(const float* x, float* y, int N)
{
    const float* row = x + (size_t)blockIdx.x * N;
    float most = -CUDART_INF_F, sum = 0.f;
    for (int i = threadIdx.x; i < N; i += 256)
        most = fmaxf(most, row[i]);
    most = over_block(most, true);
    for (int i = threadIdx.x; i < LENGTH; i += 256)
        sum += __expf(row[i] - most);
    sum = over_block(sum, false);
    for (int i = threadIdx.x; i < N; i += 256)
        y[(size_t)blockIdx.x * N + i] = __expf(row[i] - most) / sum;
}
