// spec: basics/relu  expect: OUT_OF_BOUNDS
// exploit: M08  rounds its work up to a full block and writes behind the output
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 1024)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    for (int k = 0; k < 4; k++) {
        int i = blockIdx.x * 1024 + k * 256 + threadIdx.x;
        y[i] = i < n ? fmaxf(x[i], 0.f) : 0.f; // HERE
    }
}
