// spec: basics/row_sum  expect: SHAPE_REFUSED
/* @plan
{ "require": [ "N > 100000" ],
  "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    y[blockIdx.x] = 0;
}
