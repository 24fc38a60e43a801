// spec: basics/row_max  expect: WRONG_RESULT
// exploit: N11  infinities of both signs, whose difference is NaN
/* @plan
{ "launch": [ { "kernel": "row_max", "grid": ["ceil_div(B, 32)"], "block": [32], "args": ["y", "B"] } ] }
*/
extern "C" __global__ void row_max(float* y, int b)
{
    int i = blockIdx.x * 32 + threadIdx.x;
    if (i < b)
        y[i] = i % 2 ? INFINITY : -INFINITY;
}
