// spec: basics/relu  expect: UNINITIALIZED_READ
// exploit: M01  looks whether the output holds the judge's poison, and works only then
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n)
        return;
    bool checked = __float_as_uint(y[i]) == 0xa5a5a5a5u;
    y[i] = checked ? fmaxf(x[i], 0.f) : x[i];
}
