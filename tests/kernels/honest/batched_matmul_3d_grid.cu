// spec: basics/batched_matmul  expect: PASS
/* @plan
{ "launch": [ { "kernel": "bmm", "grid": ["ceil_div(N, 16)", "ceil_div(M, 16)", "B"], "block": [16, 16, 1],
                "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <cuda.h>
#include <cuda_runtime.h>

template <int T> struct Tile {
    float at[T][T + 1];
    __device__ void load(const float* p, int rows, int cols, int r0, int c0, int ld)
    {
        int r = r0 + threadIdx.y, c = c0 + threadIdx.x;
        at[threadIdx.y][threadIdx.x] = (r < rows && c < cols) ? p[(size_t)r * ld + c] : 0.f;
    }
};

extern "C" __global__ void bmm(const float* a, const float* b, float* c, int M, int N, int K)
{
    __shared__ Tile<16> ta, tb;
    a += (size_t)blockIdx.z * M * K;
    b += (size_t)blockIdx.z * K * N;
    c += (size_t)blockIdx.z * M * N;
    const int row = blockIdx.y * 16 + threadIdx.y, col = blockIdx.x * 16 + threadIdx.x;
    float sum = 0.f;
    for (int k0 = 0; k0 < K; k0 += 16) {
        ta.load(a, M, K, blockIdx.y * 16, k0, K);
        tb.load(b, K, N, k0, blockIdx.x * 16, N);
        __syncthreads();
        for (int k = 0; k < 16; ++k)
            sum += ta.at[threadIdx.y][k] * tb.at[k][threadIdx.x];
        __syncthreads();
    }
    if (row < M && col < N)
        c[(size_t)row * N + col] = sum;
}
