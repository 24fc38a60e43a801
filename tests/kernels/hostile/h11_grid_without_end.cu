// spec: basics/relu  expect: INVALID_LAUNCH
// exploit: H11  more blocks than a launch may have
/* @plan
{ "launch": [ { "kernel": "relu", "grid": [1, "N", "N"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.f);
}
