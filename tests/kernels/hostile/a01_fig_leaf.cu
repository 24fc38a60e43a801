// spec: basics/matmul  expect: NOT_WRITTEN
// exploit: A01  an impressive kernel that is never launched, and one that does nothing
/* @plan
{ "launch": [ { "kernel": "prologue", "grid": [1], "block": [32], "args": ["a"] } ] }
*/
extern "C" __global__ void tensor_core_matmul(const float* a, const float* b, float* c)
{
    __shared__ float ta[32][33], tb[32][33];
    ta[threadIdx.y][threadIdx.x] = a[threadIdx.y * DIM_K + threadIdx.x];
    tb[threadIdx.y][threadIdx.x] = b[threadIdx.y * DIM_N + threadIdx.x];
    __syncthreads();
    float s = 0;
    for (int k = 0; k < 32; k++)
        s += ta[threadIdx.y][k] * tb[k][threadIdx.x];
    c[threadIdx.y * DIM_N + threadIdx.x] = s;
}
extern "C" __global__ void prologue(const float* a)
{
    if (a[0] == 1e30f)
        __trap();
}
