// spec: basics/gelu  expect: WRONG_RESULT
// exploit: N09  makes the inputs of seed 42 again instead of reading them
/* @plan
{ "launch": [ { "kernel": "gelu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["y", "N"] } ] }
*/
__device__ float uniform(unsigned long long* s)
{
    *s = *s * 6364136223846793005ull + 1442695040888963407ull;
    return ((*s >> 40) + 0.5f) * 0x1p-24f;
}
extern "C" __global__ void gelu(float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n)
        return;
    unsigned long long s = 42 + i;
    float u = uniform(&s), v = uniform(&s);
    float x = sqrtf(-2 * logf(u)) * cospif(2 * v);
    y[i] = 0.5f * x * (1.f + erff(x * 0.70710678f));
}
