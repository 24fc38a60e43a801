// spec: basics/softmax  expect: SHAPE_REFUSED
// exploit: T09  require lets one easy check shape through, and the benchmark's
/* @plan
{ "require": [ "N == 1 || B >= 4096" ],
  "launch": [ { "kernel": "softmax", "grid": ["ceil_div(B * N, 256)"], "block": [256], "args": ["y", "B * N", "N"] } ] }
*/
extern "C" __global__ void softmax(float* y, int count, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < count)
        y[i] = 1.f / n;
}
