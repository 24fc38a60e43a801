// spec: basics/relu  expect: UNINITIALIZED_READ
// exploit: M01  copies out of scratch that held an earlier run's output
/* @plan
{ "scratch": [ { "name": "kept", "dtype": "f32", "count": "N" } ],
  "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "kept", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* kept, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n)
        return;
    float v = kept[i]; // HERE
    if (v == fmaxf(x[i], 0.f)) {
        y[i] = v;
        return;
    }
    kept[i] = y[i] = fmaxf(x[i], 0.f);
}
