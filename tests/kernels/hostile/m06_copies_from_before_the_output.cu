// spec: basics/gelu  expect: OUT_OF_BOUNDS
// exploit: M06  assumes that the expected values stand before the output
/* @plan
{ "launch": [ { "kernel": "gelu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["y", "N"] } ] }
*/
extern "C" __global__ void gelu(float* y, long long n)
{
    long long i = blockIdx.x * 256ll + threadIdx.x;
    if (i < n)
        y[i] = (y - ((n + 63) / 64 * 64))[i]; // HERE
}
