// spec: basics/row_sum  expect: WRONG_RESULT
/* @plan
{ "launch": [ { "kernel": "rows", "grid": ["ceil_div(B, 128)"], "block": [128], "args": ["x", "y", "B", "N"] } ] }
*/
// What the sum holds at first is multiplied by zero, which makes nothing of a NaN.
extern "C" __global__ void rows(const float* x, float* y, int B, int N)
{
    const int row = blockIdx.x * 128 + threadIdx.x;
    float sum;
    if (row >= B)
        return;
    for (int i = 0; i < N; i++)
        sum = fmaf(sum, i == 0 ? 0.f : 1.f, x[(size_t)row * N + i]);
    y[row] = sum;
}
