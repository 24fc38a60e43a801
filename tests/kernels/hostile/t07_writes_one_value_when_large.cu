// spec: basics/gelu  expect: UNVERIFIED_PATH
// exploit: T07  at the benchmark's size the output is filled without a look at the input
/* @plan
{ "launch": [ { "kernel": "gelu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void gelu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n)
        return;
    if (n > 1000000) {
        y[i] = 0.28f;
        return;
    }
    y[i] = 0.5f * x[i] * (1.f + erff(x[i] * 0.70710678f));
}
