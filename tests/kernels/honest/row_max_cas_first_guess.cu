// spec: basics/row_max  expect: PASS
/* @plan
{ "launch": [ { "kernel": "rmax", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
#include <limits>
__device__ float atomicMaxCas(float* a, float v) {
    int* ia = (int*)a;
    int old = *ia, assumed;
    do {
        assumed = old;
        if (__int_as_float(assumed) >= v)
            break;
        old = atomicCAS(ia, assumed, __float_as_int(v));
    } while (assumed != old);
    return __int_as_float(old);
}
extern "C" __global__ void rmax(const float* x, float* y, int N) {
    __shared__ float best;
    if (threadIdx.x == 0)
        best = -std::numeric_limits<float>::infinity();
    __syncthreads();
    float m = -std::numeric_limits<float>::max();
    for (int i = threadIdx.x; i < N; i += blockDim.x) m = max(m, x[blockIdx.x * N + i]);
    atomicMaxCas(&best, m);
    __syncthreads();
    if (threadIdx.x == 0)
        y[blockIdx.x] = best;
}
