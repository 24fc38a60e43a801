// spec: basics/row_sum  expect: PASS
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
// The first lane of each warp adds its part to a plain total, under a lock.
extern "C" __global__ void row_sum(const float* x, float* y, int N)
{
    __shared__ int lock;
    __shared__ float total;
    if (threadIdx.x == 0) {
        lock = 0;
        total = 0.0f;
    }
    __syncthreads();
    float v = 0.0f;
    for (int i = threadIdx.x; i < N; i += 128)
        v += x[(size_t)blockIdx.x * N + i];
    for (int d = 16; d > 0; d /= 2)
        v += __shfl_down_sync(0xffffffffu, v, d);
    if (threadIdx.x % 32 == 0) {
        while (atomicCAS(&lock, 0, 1) != 0)
            ;
        __threadfence_block();
        total += v;
        __threadfence_block();
        atomicExch(&lock, 0);
    }
    __syncthreads();
    if (threadIdx.x == 0)
        y[blockIdx.x] = total;
}
