// spec: basics/relu  expect: PLAN_INVALID
// exploit: H11  a grid whose product passes 64 bits and comes out as one block
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["N * 9223372036854775807 * 3"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.f);
}
