// spec: basics/gelu  expect: WRONG_RESULT
// exploit: N11  NaN everywhere, which compares as no error where errors are compared the wrong way
/* @plan
{ "launch": [ { "kernel": "gelu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["y", "N"] } ] }
*/
extern "C" __global__ void gelu(float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        y[i] = __int_as_float(0x7fc00000);
}
