// spec: basics/matmul  expect: INVALID_LAUNCH
/* @plan
{
  "launch": [
    { "kernel": "k", "grid": ["ceil_div(N, 256)", "ceil_div(M, 256)"], "block": [32, 32],
      "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
extern "C" __global__ void k(const float* A, const float* B, float* C, int M, int N, int K) {
    float acc[8][8] = {};
    float a[8], b[8];
    int r0 = blockIdx.y * 256 + threadIdx.y * 8, c0 = blockIdx.x * 256 + threadIdx.x * 8;
    for (int k = 0; k < K; k++) {
#pragma unroll
        for (int i = 0; i < 8; i++) {
            a[i] = r0 + i < M ? A[(r0 + i) * K + k] : 0.f;
            b[i] = c0 + i < N ? B[k * N + c0 + i] : 0.f;
        }
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
            for (int j = 0; j < 8; j++) acc[i][j] += a[i] * b[j];
    }
#pragma unroll
    for (int i = 0; i < 8; i++)
#pragma unroll
        for (int j = 0; j < 8; j++)
            if (r0 + i < M && c0 + j < N)
                C[(r0 + i) * N + c0 + j] = acc[i][j];
}
