// spec: basics/relu  expect: STATE_KEPT
// exploit: M05  counts its calls and stops working after the warm-up
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] },
              { "kernel": "count", "grid": [1], "block": [1], "args": [] } ] }
*/
__device__ int calls;
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (calls < 3 && i < n)
        y[i] = fmaxf(x[i], 0.f);
}
extern "C" __global__ void count() { calls++; }
