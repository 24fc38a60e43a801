// spec: basics/row_sum  expect: PASS
/* @plan
{
  "launch": [
    { "kernel": "row_sum", "grid": ["ceil_div(B, 2)"], "block": [256],
      "args": ["x", "y", "B", "N"] } ] }
*/
// two rows a block, each by 128 threads with its own named barrier
extern "C" __global__ void row_sum(const float* x, float* y, int B, int N) {
    __shared__ float part[2][4];
    int half = threadIdx.x / 128, t = threadIdx.x % 128;
    int row = blockIdx.x * 2 + half;
    if (row >= B)
        return;
    float s = 0;
    for (int i = t; i < N; i += 128) s += x[(size_t)row * N + i];
    for (int o = 16; o > 0; o >>= 1) s += __shfl_down_sync(0xffffffff, s, o);
    if (t % 32 == 0)
        part[half][t / 32] = s;
    asm volatile("bar.sync %0, 128;" ::"r"(half + 1) : "memory");
    if (t == 0)
        y[row] = part[half][0] + part[half][1] + part[half][2] + part[half][3];
}
