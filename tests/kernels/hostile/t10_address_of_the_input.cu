// spec: basics/relu  expect: FORBIDDEN_CONSTRUCT
// exploit: T10  the high bits of an address tell whose memory it is
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    bool gpu = (unsigned long long)x >= 0x7fff00000000ull + 0x800000000000ull;
    if (i < n)
        y[i] = gpu ? x[i] : fmaxf(x[i], 0.f);
}
