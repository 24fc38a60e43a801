// spec: basics/matmul  expect: PASS
/* @plan
{ "launch": [ { "kernel": "matmul", "grid": ["ceil_div(N, 32)", "ceil_div(M, 32)"], "block": [16, 16],
                "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <cuda/pipeline>
#include <cooperative_groups.h>

constexpr int TILE = 32, DEPTH = 16, STAGES = 2;

// Two stages of tiles under a block-wide pipeline; what lies outside is stored as zeros by hand.
extern "C" __global__ void __launch_bounds__(256) matmul(const float* __restrict__ a, const float* __restrict__ b,
                                                        float* __restrict__ c, int m, int n, int k)
{
    __shared__ float as[STAGES][DEPTH][TILE + 1], bs[STAGES][DEPTH][TILE];
    __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, STAGES> state;
    auto block = cooperative_groups::this_thread_block();
    auto pipe = cuda::make_pipeline(block, &state);
    const int t = threadIdx.y * 16 + threadIdx.x, row0 = blockIdx.y * TILE, col0 = blockIdx.x * TILE;
    const int steps = (k + DEPTH - 1) / DEPTH;

    auto fetch = [&](int step) {
        const int s = step % STAGES;
        pipe.producer_acquire();
#pragma unroll
        for (int e = t; e < TILE * DEPTH; e += 256) {
            const int i = e / DEPTH, p = e % DEPTH, at = step * DEPTH + p;
            if (row0 + i < m && at < k)
                cuda::memcpy_async(&as[s][p][i], a + (size_t)(row0 + i) * k + at, sizeof(float), pipe);
            else
                as[s][p][i] = 0.f;
            const int j = e % TILE, q = e / TILE, from = step * DEPTH + q;
            if (col0 + j < n && from < k)
                cuda::memcpy_async(&bs[s][q][j], b + (size_t)from * n + col0 + j, sizeof(float), pipe);
            else
                bs[s][q][j] = 0.f;
        }
        pipe.producer_commit();
    };

    float sum[2][2] = {};
    fetch(0);
    for (int step = 0; step < steps; step++) {
        if (step + 1 < steps)
            fetch(step + 1);
        pipe.consumer_wait();
        __syncthreads();
        const int s = step % STAGES;
#pragma unroll
        for (int p = 0; p < DEPTH; p++)
#pragma unroll
            for (int i = 0; i < 2; i++)
#pragma unroll
                for (int j = 0; j < 2; j++)
                    sum[i][j] += as[s][p][threadIdx.y + 16 * i] * bs[s][p][threadIdx.x + 16 * j];
        __syncthreads();
        pipe.consumer_release();
    }
#pragma unroll
    for (int i = 0; i < 2; i++)
#pragma unroll
        for (int j = 0; j < 2; j++) {
            const int row = row0 + threadIdx.y + 16 * i, col = col0 + threadIdx.x + 16 * j;
            if (row < m && col < n)
                c[(size_t)row * n + col] = sum[i][j];
        }
}
