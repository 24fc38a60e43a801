// spec: basics/relu  expect: UNSUPPORTED
// exploit: A04  a local array larger than a thread may have
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    volatile float big[1 << 28];
    int i = blockIdx.x * 256 + threadIdx.x;
    big[i & 0xfffffff] = 0;
    if (i < n)
        y[i] = fmaxf(x[i], big[(i * 7) & 0xfffffff]);
}
