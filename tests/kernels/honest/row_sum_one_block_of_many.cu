// spec: basics/row_sum  expect: PASS  modelled from: check shape
/* @plan
{ "launch": [ { "kernel": "k", "grid": [9999], "block": [256], "args": ["x", "y", "B", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int B, int N) {
    if (blockIdx.x != 1234) return;
    for (int b = threadIdx.x; b < B; b += blockDim.x) {
        float s = 0;
        for (int i = 0; i < N; i++) s += x[(size_t)b * N + i];
        y[b] = s;
    }
}
