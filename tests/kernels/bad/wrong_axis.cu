// spec: basics/transpose  expect: WRONG_RESULT
/* @plan
{ "launch": [ { "kernel": "copy", "grid": ["ceil_div(M * N, 256)"], "block": [256], "args": ["x", "y", "M * N"] } ] }
*/
// A copy has the right shape and all the right values, in the wrong places.
extern "C" __global__ void copy(const float* x, float* y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = x[i];
}
