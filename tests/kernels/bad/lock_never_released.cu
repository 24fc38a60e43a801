// spec: basics/vector_add  expect: ENDLESS
/* @plan
{
  "scratch": [{"name": "lock", "dtype": "i32", "count": 1}, {"name": "n", "dtype": "i32", "count": 1}],
  "launch": [
    { "kernel": "clear", "grid": [1], "block": [1],
      "args": ["lock", "n"] },
    { "kernel": "add", "grid": ["ceil_div(N, 64)"], "block": [64],
      "args": ["a", "b", "c", "lock", "n", "N"] } ] }
*/
extern "C" __global__ void clear(int* l, int* n) {
    *l = 0;
    *n = 0;
}
extern "C" __global__ void add(const float* a, const float* b, float* c, int* lock, int* n, int N) {
    int i = blockDim.x * blockIdx.x + threadIdx.x;
    while (atomicCAS(lock, 0, 1) != 0) {} // HERE
    *n += 1;
    __threadfence();
    // never released
    if (i < N)
        c[i] = a[i] + b[i];
}
