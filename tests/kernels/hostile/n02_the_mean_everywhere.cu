// spec: basics/softmax  expect: WRONG_RESULT
// exploit: N02  the mean of all outputs in every place, nudged so that it is no constant
/* @plan
{ "launch": [ { "kernel": "mean", "grid": ["ceil_div(B * N, 256)"], "block": [256], "args": ["y", "B * N", "N"] } ] }
*/
extern "C" __global__ void mean(float* y, int count, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < count)
        y[i] = 1.f / n + (i % 7) * 1e-9f;
}
