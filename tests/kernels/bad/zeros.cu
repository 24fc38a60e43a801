// spec: basics/matmul  expect: CONSTANT_OUTPUT
/* @plan
{ "launch": [ { "kernel": "matmul", "grid": ["ceil_div(M * N, 256)"], "block": [256], "args": ["a", "b", "c", "M * N"] } ] }
*/
extern "C" __global__ void matmul(const float* a, const float* b, float* c, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        c[i] = 0.0f;
}
