// spec: basics/row_max  expect: PASS
/* @plan
{
  "launch": [
    { "kernel": "rmax", "grid": ["ceil_div(B, 8)"], "block": [32, 8],
      "args": ["x", "y", "B", "N"] } ] }
*/
extern "C" __global__ void rmax(const float* x, float* y, int B, int N) {
    int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= B)
        return; // whole warp leaves
    if (threadIdx.x >= N)
        return; // some lanes leave
    unsigned active = __activemask();
    unsigned mask = __ballot_sync(active, true);
    float m = x[row * N + threadIdx.x];
    for (int i = threadIdx.x + 32; i < N; i += 32) m = fmaxf(m, x[row * N + i]);
    __syncwarp(mask);
    for (int o = 16; o > 0; o >>= 1) {
        float v = __shfl_down_sync(mask, m, o);
        if (threadIdx.x + o < 32 && (mask >> (threadIdx.x + o)) & 1)
            m = fmaxf(m, v);
    }
    if (threadIdx.x == 0)
        y[row] = m;
}
