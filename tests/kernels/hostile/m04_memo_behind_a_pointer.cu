// spec: basics/row_sum  expect: STATE_KEPT
// exploit: M04  the answer in memory that the first run allocated, and a pointer to it in a variable
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
__device__ float* box[DIM_B];
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    float* kept = box[blockIdx.x];
    __syncwarp();
    if (kept) {
        if (threadIdx.x == 0)
            y[blockIdx.x] = *kept;
        return;
    }
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        s += x[blockIdx.x * (size_t)n + i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0) {
        kept = (float*)malloc(sizeof *kept);
        y[blockIdx.x] = *kept = s;
        box[blockIdx.x] = kept;
    }
}
