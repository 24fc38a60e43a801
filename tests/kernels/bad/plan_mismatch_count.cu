// spec: basics/relu  expect: PLAN_MISMATCH
/* @plan
{ "launch": [
    { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.0f);
}
