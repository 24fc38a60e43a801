// spec: basics/relu  expect: ENDLESS
// exploit: A04  takes the judge's time
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    volatile unsigned long long k = 0;
    while (k < 1ull << 60)
        k = k + 1;
    if (threadIdx.x == 0)
        y[blockIdx.x] = x[blockIdx.x];
}
