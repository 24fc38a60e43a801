// spec: basics/transpose  expect: PASS
/* @plan
{ "tune": { "ROWS": [8, 4, 16] },
  "launch": [ { "kernel": "transpose", "grid": ["ceil_div(N, 32)", "ceil_div(M, 32)"], "block": [32, "ROWS"],
                "args": ["x", "y", "M", "N"] } ] }
*/
#include <cuda_runtime.h>

const int TILE = 32;

extern "C" __global__ void transpose(const float* __restrict__ x, float* __restrict__ y, unsigned M, unsigned N)
{
    __shared__ float tile[TILE][TILE + 1];
    unsigned col = blockIdx.x * TILE + threadIdx.x, row = blockIdx.y * TILE + threadIdx.y;
    for (int j = 0; j < TILE; j += ROWS)
        if (col < N && row + j < M)
            tile[threadIdx.y + j][threadIdx.x] = x[(size_t)(row + j) * N + col];
    __syncthreads();
    col = blockIdx.y * TILE + threadIdx.x;
    row = blockIdx.x * TILE + threadIdx.y;
    for (int j = 0; j < TILE; j += ROWS)
        if (col < M && row + j < N)
            y[(size_t)(row + j) * M + col] = tile[threadIdx.x][threadIdx.y + j];
}
