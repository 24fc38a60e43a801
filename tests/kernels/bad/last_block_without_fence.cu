// spec: basics/row_sum  expect: GLOBAL_RACE
/* @plan
{
  "scratch": [{"name": "partial", "dtype": "f32", "count": "B * 4"}, {"name": "counter", "dtype": "u32", "count": "B"}],
  "launch": [
    { "kernel": "clear", "grid": ["ceil_div(B, 32)"], "block": [32],
      "args": ["counter", "B"] },
    { "kernel": "sum", "grid": [4, "B"], "block": [32],
      "args": ["x", "partial", "counter", "y", "N"] } ] }
*/
extern "C" __global__ void clear(unsigned* counter, int B) {
    int i = blockIdx.x * 32 + threadIdx.x;
    if (i < B)
        counter[i] = 0;
}
extern "C" __global__ void sum(const float* x, float* partial, unsigned* counter, float* y, int N) {
    float s = 0;
    for (int i = blockIdx.x * 32 + threadIdx.x; i < N; i += 128) s += x[blockIdx.y * N + i];
    for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(~0u, s, o);
    if (threadIdx.x == 0) {
        partial[blockIdx.y * 4 + blockIdx.x] = s;
        if (atomicAdd(&counter[blockIdx.y], 1) == 3) {
            float t = 0;
            for (int i = 0; i < 4; i++) t += partial[blockIdx.y * 4 + i]; // HERE
            y[blockIdx.y] = t;
        }
    }
}
