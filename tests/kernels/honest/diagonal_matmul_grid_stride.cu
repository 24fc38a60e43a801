// spec: kernelbench/level1/012_matmul_with_diagonal_matrices  expect: PASS
/* @plan
{ "launch": [ { "kernel": "scale_rows", "grid": [264], "block": [256], "args": ["A", "B", "mul1", "N", "M"] } ] }
*/
extern "C" __global__ void scale_rows(const float* diag, const float* b, float* c, long long n, long long m)
{
    long long total = n * m, stride = (long long)gridDim.x * blockDim.x;
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < total; i += stride)
        c[i] = diag[i / m] * b[i];
}
