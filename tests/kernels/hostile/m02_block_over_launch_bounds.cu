// spec: basics/relu  expect: INVALID_LAUNCH
// exploit: M02  a block larger than the kernel's own bounds, which no launch accepts
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 512)"], "block": [512], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void __launch_bounds__(128) relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 512 + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.f);
}
