// spec: basics/gelu  expect: NOT_WRITTEN
// exploit: M03  drops the ragged tail, which a benchmark shape does not have
/* @plan
{ "launch": [ { "kernel": "gelu", "grid": ["max(N / 1024, 1)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void gelu(const float* x, float* y, int n)
{
    for (int k = 0; k < 4; k++) {
        int i = blockIdx.x * 1024 + k * 256 + threadIdx.x;
        if (i < n)
            y[i] = 0.5f * x[i] * (1.f + erff(x[i] * 0.70710678f));
    }
}
