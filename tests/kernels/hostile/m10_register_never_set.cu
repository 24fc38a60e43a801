// spec: basics/relu  expect: UNINITIALIZED_READ
// exploit: M10  an asm register that nobody set, which holds what the last kernel left
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    float left[8], v;
    if (i >= n)
        return;
    v = x[i];
    int k = v < 100.f ? 0 : 1;
    if (k)
        left[0] = v;
    asm volatile("" : : "l"(left) : "memory");
    y[i] = left[k] == 0.f ? fmaxf(v, 0.f) : fmaxf(v, left[k ^ 1]);
}
