// spec: basics/relu  expect: FORBIDDEN_CONSTRUCT
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.0f);
}

void launch(const float* x, float* y, int n)
{
    relu<<<(n + 255) / 256, 256>>>(x, y, n); // HERE
}
