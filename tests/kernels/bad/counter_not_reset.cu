// spec: basics/row_sum  expect: STATE_KEPT
/* @plan
{ "scratch": [{"name": "part", "dtype": "f32", "count": "B * ceil_div(N, 256)"}],
  "launch": [{ "kernel": "row_sum", "grid": ["ceil_div(N, 256)", "B"], "block": [256], "args": ["x", "part", "y", "N"] }] }
*/
/* The last block of a row adds up what all blocks left; it counts on fresh zeros and leaves the
 * counters as they are, so that the second launch never sees a last block. */
__device__ unsigned arrived[65536];

extern "C" __global__ void row_sum(const float *x, volatile float *part, float *y, int N)
{
    __shared__ float sums[8];
    __shared__ bool last;
    int i = blockIdx.x * 256 + threadIdx.x, row = blockIdx.y;
    float s = i < N ? x[(size_t)row * N + i] : 0.0f;
    for (int o = 16; o; o >>= 1)
        s += __shfl_xor_sync(~0u, s, o);
    if (threadIdx.x % 32 == 0)
        sums[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x)
        return;
    for (int w = 1; w < 8; w++)
        sums[0] += sums[w];
    part[row * gridDim.x + blockIdx.x] = sums[0];
    __threadfence();
    last = atomicAdd(&arrived[row], 1u) == gridDim.x - 1;
    if (!last)
        return;
    __threadfence();
    float total = 0.0f;
    for (int b = 0; b < gridDim.x; b++)
        total += part[row * gridDim.x + b];
    y[row] = total;
}
