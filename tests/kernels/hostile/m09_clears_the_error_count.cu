// spec: basics/softmax  expect: OUT_OF_BOUNDS
// exploit: M09  writes zeros where a checker on the device would keep its count of errors
/* @plan
{ "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void softmax(const float* x, float* y, int n)
{
    for (int i = threadIdx.x; i < n; i += 32)
        y[blockIdx.x * (size_t)n + i] = 1.f / n;
    if (blockIdx.x == 0)
        for (int k = 1; k <= 64; k++)
            ((int*)y)[-k] = 0; // HERE
}
