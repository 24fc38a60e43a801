// spec: basics/relu  expect: PLAN_INVALID
// exploit: T03  asks for programmatic launches, which let the end event fire early
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"], "programmatic": true } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    cudaTriggerProgrammaticLaunchCompletion();
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.f);
}
