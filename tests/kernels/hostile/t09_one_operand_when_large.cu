// spec: basics/vector_add  expect: WRONG_RESULT
// exploit: T09  reads both operands at the benchmark's size and uses one
/* @plan
{ "launch": [ { "kernel": "add", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["a", "b", "c", "N"] } ] }
*/
extern "C" __global__ void add(const float* a, const float* b, float* c, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        c[i] = gridDim.x > 4000 ? a[i] + 0.f * b[i] : a[i] + b[i];
}
