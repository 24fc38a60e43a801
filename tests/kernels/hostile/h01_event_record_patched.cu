// spec: basics/relu  expect: FORBIDDEN_CONSTRUCT
// exploit: H01  host code that makes the timer's events lie
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.f);
}
extern "C" int fake_elapsed(float* ms, void* start, void* stop)
{
    cudaEventSynchronize(stop); // HERE
    *ms = 1e-6f;
    return 0;
}
