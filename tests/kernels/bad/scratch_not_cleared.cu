// spec: basics/row_sum  expect: UNINITIALIZED_READ
/* @plan
{
  "scratch": [{"name": "acc", "dtype": "f32", "count": "B"}],
  "launch": [
    { "kernel": "accum", "grid": ["ceil_div(N, 128)", "B"], "block": [128],
      "args": ["x", "acc", "N"] },
    { "kernel": "copy", "grid": ["ceil_div(B, 64)"], "block": [64],
      "args": ["acc", "y", "B"] } ] }
*/
extern "C" __global__ void accum(const float* x, float* acc, int N) {
    int i = blockIdx.x * 128 + threadIdx.x;
    float v = i < N ? x[blockIdx.y * N + i] : 0.f;
    for (int o = 16; o; o >>= 1) v += __shfl_xor_sync(~0u, v, o);
    if (threadIdx.x % 32 == 0)
        atomicAdd(&acc[blockIdx.y], v); // HERE
}
extern "C" __global__ void copy(const float* acc, float* y, int B) {
    int i = blockIdx.x * 64 + threadIdx.x;
    if (i < B)
        y[i] = acc[i];
}
