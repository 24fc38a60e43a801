// spec: basics/relu  expect: PLAN_INVALID
// exploit: H11  a count that overflows to a small number
/* @plan
{ "scratch": [ { "name": "all", "dtype": "f32", "count": "(N + 4611686018427387904) * 4" } ],
  "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "all", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, float* all, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.f);
}
