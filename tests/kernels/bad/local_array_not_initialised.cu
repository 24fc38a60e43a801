// spec: basics/row_sum  expect: UNINITIALIZED_READ
/* @plan
{
  "launch": [
    { "kernel": "k", "grid": ["ceil_div(B, 32)"], "block": [32],
      "args": ["x", "y", "B", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int B, int N) {
    int r = blockIdx.x * 32 + threadIdx.x;
    if (r >= B)
        return;
    float s[7];
    for (int i = 0; i < N; i++) s[(i * 5) % 7] += x[(size_t)r * N + i];
    float t = 0;
    for (int i = 0; i < 7; i++) t += s[i];
    y[r] = t;
}
