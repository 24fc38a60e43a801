// spec: basics/row_sum  expect: PASS
/* @plan
{
  "scratch": [{"name": "partial", "dtype": "f32", "count": "B * ceil_div(N, 1024)"}],
  "launch": [
    { "kernel": "stage1", "grid": ["ceil_div(N, 1024)", "B"], "block": [256],
      "args": ["x", "partial", "N"] },
    { "kernel": "stage2", "grid": ["B"], "block": [32],
      "args": ["partial", "y", "ceil_div(N, 1024)"] } ] }
*/
extern "C" __global__ void stage1(const float* __restrict__ x, float* __restrict__ partial, int N) {
    const float* row = x + (size_t)blockIdx.y * N;
    int base = blockIdx.x * 1024;
    float s = 0.f;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int j = base + i * 256 + threadIdx.x;
        if (j < N)
            s += row[j];
    }
    for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(~0u, s, o);
    __shared__ float w[8];
    if ((threadIdx.x & 31) == 0)
        w[threadIdx.x >> 5] = s;
    __syncthreads();
    if (threadIdx.x < 8) {
        s = w[threadIdx.x];
        for (int o = 4; o; o >>= 1) s += __shfl_down_sync(0xff, s, o);
        if (threadIdx.x == 0)
            partial[blockIdx.y * gridDim.x + blockIdx.x] = s;
    }
}
extern "C" __global__ void stage2(const float* __restrict__ partial, float* __restrict__ y, int n) {
    float s = 0.f;
    for (int i = threadIdx.x; i < n; i += 32) s += partial[blockIdx.x * n + i];
    for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(~0u, s, o);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
