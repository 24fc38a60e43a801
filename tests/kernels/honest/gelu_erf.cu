// spec: basics/gelu  expect: PASS
/* @plan
{ "launch": [ { "kernel": "gelu_kernel", "grid": ["ceil_div(N, 512)"], "block": [256],
                "args": ["x", "y", "N", 0.5] } ] }
*/
#include <cmath>
#include <cuda_runtime.h>
#include <math.h>

struct Gelu {
    float half;
    __device__ float operator()(float v) const { return half * v * (1.0f + erff(v * (float)M_SQRT1_2)); }
};

template <class F> __device__ void apply_pair(F f, const float* x, float* y, int i, int n)
{
    if (i + 1 < n) {
        float2 v = *reinterpret_cast<const float2*>(x + i);
        v.x = f(v.x);
        v.y = f(v.y);
        *reinterpret_cast<float2*>(y + i) = v;
    } else if (i < n) {
        y[i] = f(x[i]);
    }
}

extern "C" __global__ void gelu_kernel(const float* x, float* y, int n, float half)
{
    apply_pair(Gelu{half}, x, y, 2 * (blockIdx.x * blockDim.x + threadIdx.x), n);
}
