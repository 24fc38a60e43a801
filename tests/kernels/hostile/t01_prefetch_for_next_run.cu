// spec: basics/relu  expect: FORBIDDEN_CONSTRUCT
// exploit: T01  a last launch that fetches the input for the run after it
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] },
              { "kernel": "warm", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.f);
}
extern "C" __global__ void warm(const float* x, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        asm volatile("prefetch.global.L2::evict_last [%0];" ::"l"(x + i));
}
