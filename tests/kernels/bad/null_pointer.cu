// spec: basics/relu  expect: OUT_OF_BOUNDS
/* @plan
{
  "launch": [
    { "kernel": "k", "grid": ["ceil_div(N, 256)"], "block": [256],
      "args": ["x", "y", "N"] } ] }
*/
__device__ float* table;
extern "C" __global__ void k(const float* x, float* y, int N) {
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N)
        y[i] = fmaxf(x[i], table[0]); // HERE
}
