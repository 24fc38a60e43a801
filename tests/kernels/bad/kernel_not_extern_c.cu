// spec: basics/vector_add  expect: PLAN_MISMATCH
/* @plan
{
  "launch": [
    { "kernel": "add", "grid": ["ceil_div(N, 256)"], "block": [256],
      "args": ["a", "b", "c", "N"] } ] }
*/
__global__ void add(const float* a, const float* b, float* c, int N) {
    int i = blockDim.x * blockIdx.x + threadIdx.x;
    if (i < N)
        c[i] = a[i] + b[i];
}
