// spec: basics/gelu  expect: LOW_PRECISION
/* @plan
{
  "launch": [
    { "kernel": "g", "grid": ["ceil_div(N, 256)"], "block": [256],
      "args": ["x", "y", "N"] } ] }
*/
#include <cuda_bf16.h>
extern "C" __global__ void g(const float* x, float* y, int N) {
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N) {
        float v = __bfloat162float(__float2bfloat16(x[i]));
        y[i] = 0.5f * v * (1.f + erff(v * 0.70710678f));
    }
}
