// spec: basics/relu  expect: PASS
/* @plan
{
  "launch": [
    { "kernel": "act", "grid": ["ceil_div(N, 256)"], "block": [256],
      "args": ["x", "y", "N", 1, 0.0] } ] }
*/
enum class Act : int { Identity = 0, Relu = 1, Leaky = 2, Gelu = 3, Tanh = 4, Sig = 5 };
__device__ __noinline__ float apply(Act a, float v, float slope) {
    switch (a) {
    case Act::Identity:
        return v;
    case Act::Relu:
        return v > 0.f ? v : 0.f;
    case Act::Leaky:
        return v > 0.f ? v : v * slope;
    case Act::Gelu:
        return 0.5f * v * (1.f + erff(v * 0.70710678f));
    case Act::Tanh:
        return tanhf(v);
    case Act::Sig:
        return 1.f / (1.f + expf(-v));
    default:
        return nanf("");
    }
}
extern "C" __global__ void act(const float* x, float* y, int N, int kind, float slope) {
    int i = threadIdx.x + blockIdx.x * blockDim.x;
    if (i < N)
        y[i] = apply(static_cast<Act>(kind), x[i], slope);
}
