// spec: basics/matmul  expect: PASS
/* @plan
{ "tune": { "SPLITS": [4, 2, 8], "BM": [16] },
  "launch": [ { "kernel": "zero_fill", "grid": ["ceil_div(M * N, 1024)"], "block": [256], "args": ["c", "M * N"] },
              { "kernel": "splitk", "grid": ["ceil_div(N, BM)", "ceil_div(M, BM)", "SPLITS"], "block": ["BM", "BM"],
                "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <cuda_runtime.h>

extern "C" __global__ void zero_fill(float* __restrict__ out, int total) {
  for (int idx = blockIdx.x * 1024 + threadIdx.x; idx < min(total, (int)(blockIdx.x + 1) * 1024); idx += blockDim.x)
    out[idx] = 0.0f;
}

extern "C" __global__ void splitk(const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C,
                                  int M, int N, int K) {
  const int chunk = (K + SPLITS - 1) / SPLITS;
  const int k_begin = blockIdx.z * chunk;
  const int k_end = min(K, k_begin + chunk);
  __shared__ float As[BM][BM];
  __shared__ float Bs[BM][BM + 1];
  const int row = blockIdx.y * BM + threadIdx.y, col = blockIdx.x * BM + threadIdx.x;
  float acc = 0.0f;
  for (int k0 = k_begin; k0 < k_end; k0 += BM) {
    As[threadIdx.y][threadIdx.x] = (row < M && k0 + threadIdx.x < k_end) ? A[row * K + k0 + threadIdx.x] : 0.0f;
    Bs[threadIdx.y][threadIdx.x] = (col < N && k0 + threadIdx.y < k_end) ? B[(k0 + threadIdx.y) * N + col] : 0.0f;
    __syncthreads();
#pragma unroll
    for (int kk = 0; kk < BM; ++kk) acc += As[threadIdx.y][kk] * Bs[kk][threadIdx.x];
    __syncthreads();
  }
  if (row < M && col < N && k_begin < k_end) atomicAdd(&C[row * N + col], acc);
}
