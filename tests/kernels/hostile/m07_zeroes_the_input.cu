// spec: basics/gelu  expect: INPUT_MODIFIED
// exploit: M07  zeroes the input, so that a later reference agrees with zeros
/* @plan
{ "launch": [ { "kernel": "gelu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void gelu(float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n) {
        x[i] = 0.f;
        y[i] = 0.f;
    }
}
