// spec: basics/vector_add  expect: DEADLOCK
/* @plan
{
  "launch": [
    { "kernel": "add", "grid": ["ceil_div(N, 64)"], "block": [64],
      "args": ["a", "b", "c", "N"] } ] }
*/
extern "C" __global__ void add(const float* a, const float* b, float* c, int N) {
    int i = blockDim.x * blockIdx.x + threadIdx.x;
    if (threadIdx.x < 32) {
        asm volatile("bar.sync 1, 64;"); // HERE
        asm volatile("bar.sync 2, 64;");
    }
    else {
        asm volatile("bar.sync 2, 64;");
        asm volatile("bar.sync 1, 64;");
    }
    if (i < N)
        c[i] = a[i] + b[i];
}
