// spec: basics/softmax  expect: CONSTANT_OUTPUT
// exploit: N02  zeros, which a fixed absolute tolerance takes for small probabilities
/* @plan
{ "launch": [ { "kernel": "zero", "grid": ["ceil_div(B * N, 256)"], "block": [256], "args": ["y", "B * N"] } ] }
*/
extern "C" __global__ void zero(float* y, int count)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < count)
        y[i] = 0.f;
}
