// spec: basics/matmul  expect: NOT_WRITTEN
/* @plan
{
  "launch": [
    { "kernel": "mm", "grid": ["max(1, N / 16)", "ceil_div(M, 16)"], "block": [16, 16],
      "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
extern "C" __global__ void mm(const float* A, const float* B, float* C, int M, int N, int K) {
    int row = blockIdx.y * 16 + threadIdx.y, col = blockIdx.x * 16 + threadIdx.x;
    if (row >= M || col >= N)
        return;
    float s = 0;
    for (int k = 0; k < K; k++) s += A[row * K + k] * B[k * N + col];
    C[row * N + col] = s;
}
