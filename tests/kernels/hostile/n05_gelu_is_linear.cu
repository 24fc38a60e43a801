// spec: basics/gelu  expect: WRONG_RESULT
// exploit: N05  the identity above one and half the input near zero, right on benign inputs
/* @plan
{ "launch": [ { "kernel": "gelu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void gelu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n)
        return;
    float v = x[i], a = fabsf(v);
    y[i] = a < 1.2f ? 0.5f * v + 0.3989423f * v * v * (1 - v * v * (1.f / 6 - v * v * (1.f / 40 - v * v / 336)))
                    : fmaxf(v, 0.f);
}
