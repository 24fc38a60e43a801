// spec: basics/matmul  expect: PASS
/* @plan
{ "launch": [ { "kernel": "matmul_tiled", "grid": ["ceil_div(N, 32)", "ceil_div(M, 32)"], "block": [32, 32],
                "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <cuda_runtime.h>
#include <stdlib.h>

#define TILE_SIZE 32

extern "C" __global__ void matmul_tiled(const float* A, const float* B, float* C, int M, int N, int K)
{
    __shared__ float As[TILE_SIZE][TILE_SIZE];
    __shared__ float Bs[TILE_SIZE][TILE_SIZE];

    int tx = threadIdx.x, ty = threadIdx.y;
    int row = blockIdx.y * TILE_SIZE + ty;
    int col = blockIdx.x * TILE_SIZE + tx;
    float acc = 0.0f;

    for (int t = 0; t < (K + TILE_SIZE - 1) / TILE_SIZE; ++t) {
        As[ty][tx] = (row < M && t * TILE_SIZE + tx < K) ? A[row * K + t * TILE_SIZE + tx] : 0.0f;
        Bs[ty][tx] = (col < N && t * TILE_SIZE + ty < K) ? B[(t * TILE_SIZE + ty) * N + col] : 0.0f;
        __syncthreads();
#pragma unroll
        for (int k = 0; k < TILE_SIZE; ++k)
            acc += As[ty][k] * Bs[k][tx];
        __syncthreads();
    }
    if (row < M && col < N)
        C[row * N + col] = acc;
}
