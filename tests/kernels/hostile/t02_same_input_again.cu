// spec: basics/relu  expect: STATE_KEPT
// exploit: T02  compares with the input of the last run and does nothing when it is the same
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
__device__ float last[DIM_N < 65536 ? DIM_N : 65536];
__device__ float answer[DIM_N < 65536 ? DIM_N : 65536];
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= n)
        return;
    if (i < 65536 && last[i] == x[i]) {
        y[i] = answer[i];
        return;
    }
    float v = fmaxf(x[i], 0.f);
    if (i < 65536) {
        last[i] = x[i];
        answer[i] = v;
    }
    y[i] = v;
}
