// spec: basics/relu  expect: UNSUPPORTED
// exploit: A04  a module variable that no memory holds
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
__device__ float store[1ull << 42];
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n) {
        store[(size_t)i << 20] = x[i];
        y[i] = fmaxf(store[(size_t)i << 20], 0.f);
    }
}
