// spec: basics/relu  expect: WRONG_RESULT
// exploit: N05  a copy, which is right for inputs that are never negative
/* @plan
{ "launch": [ { "kernel": "copy", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void copy(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        y[i] = x[i];
}
