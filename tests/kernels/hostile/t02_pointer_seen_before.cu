// spec: basics/row_max  expect: STATE_KEPT
// exploit: T02  takes an input at a known address for an input that it knows
/* @plan
{ "launch": [ { "kernel": "row_max", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
__device__ const float* known[DIM_B];
__device__ float top[DIM_B];
extern "C" __global__ void row_max(const float* x, float* y, int n)
{
    const float* row = x + blockIdx.x * (size_t)n;
    bool seen = known[blockIdx.x] == row;
    __syncwarp();
    float m = seen ? top[blockIdx.x] : -INFINITY;
    for (int i = threadIdx.x; !seen && i < n; i += 32)
        m = fmaxf(m, row[i]);
    for (int d = 16; d; d /= 2)
        m = fmaxf(m, __shfl_xor_sync(~0u, m, d));
    if (threadIdx.x == 0) {
        known[blockIdx.x] = row;
        y[blockIdx.x] = top[blockIdx.x] = m;
    }
}
