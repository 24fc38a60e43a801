// spec: basics/row_sum  expect: GLOBAL_RACE
// exploit: N13  a barrier of the whole grid that counts arrivals and orders nothing
/* @plan
{ "scratch": [ { "name": "part", "dtype": "f32", "count": "B * 4" }, { "name": "count", "dtype": "u32", "count": 1 } ],
  "launch": [ { "kernel": "clear", "grid": [1], "block": [1], "args": ["count"] },
              { "kernel": "row_sum", "grid": [4], "block": [128], "cooperative": true,
                "args": ["x", "part", "count", "y", "B", "N"] } ] }
*/
extern "C" __global__ void clear(unsigned* count) { *count = 0; }
extern "C" __global__ void row_sum(const float* x, float* part, volatile unsigned* count, float* y, int b, int n)
{
    for (int row = threadIdx.x / 32; row < b; row += 4) {
        float s = 0;
        for (int i = blockIdx.x * 32 + threadIdx.x % 32; i < n; i += 128)
            s += x[(size_t)row * n + i];
        for (int d = 16; d; d /= 2)
            s += __shfl_xor_sync(~0u, s, d);
        if (threadIdx.x % 32 == 0)
            part[row * 4 + blockIdx.x] = s;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        atomicAdd((unsigned*)count, 1u);
        while (*count < gridDim.x)
            ;
    }
    __syncthreads();
    for (int row = blockIdx.x * 128 + threadIdx.x; row < b; row += gridDim.x * 128)
        y[row] = part[row * 4] + part[row * 4 + 1] + part[row * 4 + 2] + part[row * 4 + 3]; // HERE
}
