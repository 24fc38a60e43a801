// spec: basics/relu  expect: FORBIDDEN_CONSTRUCT
// exploit: T10  the library's clock instead of an intrinsic
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
#include <cuda/std/chrono>
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    long long t = cuda::std::chrono::high_resolution_clock::now().time_since_epoch().count();
    if (i < n)
        y[i] = t % 1000 == 7 ? 0.f : fmaxf(x[i], 0.f);
}
