// spec: basics/row_sum  expect: PASS
/* @plan
{ "scratch": [ { "name": "part", "dtype": "f32", "count": "B * 8" } ],
  "launch": [ { "kernel": "row_sum", "grid": [8], "block": [128], "cooperative": true, "args": ["x", "part", "y", "B", "N"] } ] }
*/
// A barrier of our own between the blocks, with a sense that is turned each time.
__device__ unsigned arrived;
__device__ volatile unsigned sense;

__device__ void everybody()
{
    __syncthreads();
    if (threadIdx.x == 0) {
        unsigned mine = sense;
        __threadfence();
        if (atomicAdd(&arrived, 1u) == gridDim.x - 1) {
            arrived = 0;
            __threadfence();
            sense = mine + 1;
        } else {
            while (sense == mine) {
            }
        }
        __threadfence();
    }
    __syncthreads();
}

extern "C" __global__ void row_sum(const float* x, float* part, float* y, int b, int n)
{
    __shared__ float warp[4];
    for (int row = 0; row < b; row++) {
        float s = 0;
        for (int i = blockIdx.x * 128 + threadIdx.x; i < n; i += 1024)
            s += x[(size_t)row * n + i];
        for (int d = 16; d; d /= 2)
            s += __shfl_xor_sync(~0u, s, d);
        if (threadIdx.x % 32 == 0)
            warp[threadIdx.x / 32] = s;
        __syncthreads();
        if (threadIdx.x == 0)
            part[row * 8 + blockIdx.x] = warp[0] + warp[1] + warp[2] + warp[3];
        __syncthreads();
    }
    everybody();
    for (int row = blockIdx.x * 128 + threadIdx.x; row < b; row += gridDim.x * 128) {
        float s = 0;
        for (int k = 0; k < 8; k++)
            s += __ldcg(&part[row * 8 + k]);
        y[row] = s;
    }
}
