// spec: basics/relu  expect: OUT_OF_BOUNDS
// exploit: N08  the benchmark's size in the code, declared nowhere
/* @plan
{ "launch": [ { "kernel": "relu", "grid": [65536], "block": [256], "args": ["x", "y"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    y[i] = fmaxf(x[i], 0.f);
}
