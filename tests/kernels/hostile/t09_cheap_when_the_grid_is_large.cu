// spec: basics/gelu  expect: WRONG_RESULT
// exploit: T09  a polynomial for the error function once the grid has more than 4096 blocks
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n)
        return;
    float v = x[i];
    y[i] = gridDim.x > 4096 ? v / (1.f + expf(-1.702f * v)) : 0.5f * v * (1.f + erff(v * 0.70710678f));
}
