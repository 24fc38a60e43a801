// spec: basics/matmul  expect: WRONG_RESULT
/* @plan
{
  "launch": [
    { "kernel": "mm", "grid": ["N", "M"], "block": [1],
      "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
__device__ float tf(float v) { return __uint_as_float(__float_as_uint(v) & 0xffffe000u); }
extern "C" __global__ void mm(const float* A, const float* B, float* C, int M, int N, int K) {
    float s = 0;
    for (int k = 0; k < K; k++) s += tf(A[blockIdx.y * K + k]) * tf(B[k * N + blockIdx.x]);
    C[blockIdx.y * N + blockIdx.x] = s;
}
