// spec: basics/relu  expect: INVALID_LAUNCH
// exploit: H11  no block at all where the launch costs time
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["N / 1000000000"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.f);
}
