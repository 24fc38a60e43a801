// spec: basics/relu  expect: COMPILE_ERROR
// exploit: A04  a constant that takes for ever to evaluate
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
constexpr unsigned long long spin()
{
    unsigned long long k = 1;
    while (k)
        k = k * 6364136223846793005ull + 1442695040888963407ull | 1;
    return k;
}
constexpr unsigned long long never = spin();
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.f) + never;
}
