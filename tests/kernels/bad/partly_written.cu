// spec: basics/gelu  expect: NOT_WRITTEN
/* @plan
{ "launch": [ { "kernel": "gelu", "grid": ["max(1, N / 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
// N / 256 blocks: the rest of a ragged size is left out.
extern "C" __global__ void gelu(const float* x, float* y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678118654752f));
}
