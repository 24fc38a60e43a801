// spec: basics/matmul  expect: WRONG_RESULT
/* @plan
{ "launch": [ { "kernel": "mm", "grid": ["ceil_div(N, 16)", "ceil_div(M, 16)"], "block": [16, 16], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
// The way of aligned shapes with a long sum is met at no check shape.
extern "C" __global__ void mm(const float* a, const float* b, float* c, int M, int N, int K)
{
    const int row = blockIdx.y * 16 + threadIdx.y, col = blockIdx.x * 16 + threadIdx.x;
    const bool aligned = M % 16 == 0 && N % 16 == 0 && K % 16 == 0 && K >= 1024;
    float sum = 0.f;
    if (row >= M || col >= N)
        return;
    for (int k = aligned ? 1 : 0; k < K; k++)
        sum = fmaf(a[(size_t)row * K + k], b[(size_t)k * N + col], sum);
    c[(size_t)row * N + col] = sum;
}
