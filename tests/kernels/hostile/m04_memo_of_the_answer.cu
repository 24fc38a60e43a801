// spec: basics/row_sum  expect: STATE_KEPT
// exploit: M04  the first run computes, every later one copies what it left in a module variable
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
__device__ float kept[DIM_B];
__device__ int filled[DIM_B];
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    int row = blockIdx.x;
    if (filled[row]) {
        if (threadIdx.x == 0)
            y[row] = kept[row];
        return;
    }
    __syncwarp();
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        s += x[row * (size_t)n + i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0) {
        y[row] = kept[row] = s;
        filled[row] = 1;
    }
}
