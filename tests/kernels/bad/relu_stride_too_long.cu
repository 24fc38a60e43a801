// spec: basics/relu  expect: NOT_WRITTEN
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["min(ceil_div(N, 256), 32768)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
// Only where the grid is cut off does a thread have a second element.
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    const int stride = gridDim.x * 256;
    for (int i = blockIdx.x * 256 + threadIdx.x; i < n; i += stride + 1)
        y[i] = fmaxf(x[i], 0.f);
}
