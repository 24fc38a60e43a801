// spec: basics/relu  expect: INVALID_LAUNCH
// exploit: H11  scratch that takes the whole device, so that nobody else's fits
/* @plan
{ "scratch": [ { "name": "all", "dtype": "f64", "count": "1099511627776" } ],
  "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "all", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, double* all, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.f);
}
