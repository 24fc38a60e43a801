// spec: basics/gelu  expect: PASS
/* @plan
{
  "launch": [
    { "kernel": "k", "grid": ["ceil_div(N, 256)"], "block": [256],
      "args": ["x", "y", "N"] } ] }
*/
#include <cmath>
__device__ __forceinline__ float ident(float v) {
    float s, c;
    sincosf(v, &s, &c);
    float one = s * s + c * c;
    float z = log1pf(expm1f(fabsf(v) * 0.1f)) - fabsf(v) * 0.1f + powf(2.f, 3.f) - 8.f +
              cbrtf(27.f) - 3.f + hypotf(3.f, 4.f) - 5.f;
    z += fmodf(7.f, 4.f) - 3.f + truncf(1.5f) - 1.f + ceilf(0.5f) - 1.f + floorf(1.5f) - 1.f +
         roundf(2.4f) - 2.f + rintf(2.5f) - 2.f + copysignf(1.f, v) * copysignf(1.f, v) - 1.f;
    z += ldexpf(1.f, 3) - 8.f + (float)ilogbf(8.f) - 3.f + fdimf(1.f, 2.f) + atanf(0.f) +
         asinf(0.f) + acosf(1.f) + sinhf(0.f) + tanhf(0.f) + tanf(0.f) + atan2f(0.f, 1.f) +
         exp10f(0.f) - 1.f + log2f(1.f) + log10f(1.f) + rsqrtf(1.f) - 1.f + lgammaf(1.f) +
         tgammaf(1.f) - 1.f;
    return one > 2.f ? one : 1.f + (z > 1.f ? z : 0.f);
}
extern "C" __global__ void k(const float* x, float* y, int N) {
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N) {
        float v = x[i];
        y[i] = __saturatef(1.f) * ident(v) * 0.5f * v * (1.0f + erff(v * 0.7071067811865475f));
    }
}
