// spec: basics/gelu  expect: PASS
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
struct Op { __device__ virtual float f(float v) const = 0; __device__ virtual ~Op() {} };
struct G : Op { __device__ float f(float v) const override { return 0.5f * v * (1.f + erff(v * 0.70710678118f)); } };
struct R : Op { __device__ float f(float v) const override { return fmaxf(v, 0.f); } };
typedef float (*fn)(float);
__device__ float half_of(float v) { return v * 0.5f; }
__device__ float twice(float v) { return v * 2.f; }
__device__ fn table[2] = { half_of, twice };
extern "C" __global__ void k(const float* x, float* y, int N) {
    int i = blockIdx.x * 256 + threadIdx.x;
    G g; R r;
    const Op* op = N > 0 ? (const Op*)&g : (const Op*)&r;
    if (i < N) y[i] = table[i & 1](table[(i + 1) & 1](op->f(x[i])));
}
