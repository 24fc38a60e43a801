// spec: basics/row_sum  expect: PASS
/* @plan
{ "scratch": [ { "name": "part", "dtype": "f32", "count": "B * 4" } ],
  "launch": [ { "kernel": "row_sum", "grid": [4, "B"], "block": [64], "args": ["x", "part", "y", "N"] } ] }
*/
// Tickets that only ever go up: every fourth one of a row is the last of its run.
__device__ unsigned ticket[DIM_B];

extern "C" __global__ void row_sum(const float* x, float* part, float* y, int n)
{
    const int row = blockIdx.y;
    float s = 0.f;
    for (int i = blockIdx.x * 64 + threadIdx.x; i < n; i += 256)
        s += x[(size_t)row * n + i];
    for (int d = 16; d; d >>= 1)
        s += __shfl_down_sync(0xffffffffu, s, d);
    __shared__ float half[2];
    if (threadIdx.x % 32 == 0)
        half[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x)
        return;
    part[row * 4 + blockIdx.x] = half[0] + half[1];
    __threadfence();
    if (atomicAdd(&ticket[row], 1u) % 4 == 3) {
        __threadfence();
        const volatile float* p = part + row * 4;
        y[row] = (p[0] + p[1]) + (p[2] + p[3]);
    }
}
