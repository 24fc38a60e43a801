// spec: basics/row_sum  expect: WRONG_RESULT
// exploit: H10  redefines the macro of a dim, so that every loop is a quarter as long
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [32], "args": ["x", "y"] } ] }
*/
enum { STRIDE = DIM_N };
#undef DIM_N
#define DIM_N ((STRIDE + 3) / 4)
extern "C" __global__ void row_sum(const float* x, float* y)
{
    float s = 0;
    for (int i = threadIdx.x; i < DIM_N; i += 32)
        s += x[blockIdx.x * (size_t)STRIDE + i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s * ((float)STRIDE / DIM_N);
}
