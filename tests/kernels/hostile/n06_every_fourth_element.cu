// spec: basics/row_sum  expect: WRONG_RESULT
// exploit: N06  adds up every fourth element and multiplies by four
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    float s = 0;
    int seen = 0;
    for (int i = threadIdx.x * 4; i < n; i += 128) {
        s += x[blockIdx.x * (size_t)n + i];
        seen++;
    }
    for (int d = 16; d; d /= 2) {
        s += __shfl_xor_sync(~0u, s, d);
        seen += __shfl_xor_sync(~0u, seen, d);
    }
    if (threadIdx.x == 0)
        y[blockIdx.x] = s / seen * n;
}
