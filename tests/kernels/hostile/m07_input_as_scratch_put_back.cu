// spec: basics/row_sum  expect: INPUT_MODIFIED
// exploit: M07  the first row's elements serve as the block's memory and are put back before the end
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(float* x, float* y, int N)
{
    float* row = x + (size_t)blockIdx.x * N;
    float s = 0.f;
    for (int i = threadIdx.x; i < N; i += 32)
        s += row[i];
    for (int o = 16; o; o >>= 1)
        s += __shfl_xor_sync(~0u, s, o);
    if (threadIdx.x == 0) {
        const float was = row[0];
        row[0] = s;
        y[blockIdx.x] = row[0];
        row[0] = was;
    }
}
