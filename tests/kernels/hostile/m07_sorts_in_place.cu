// spec: basics/row_max  expect: INPUT_MODIFIED
// exploit: M07  uses the input as its scratch
/* @plan
{ "launch": [ { "kernel": "row_max", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_max(float* x, float* y, int n)
{
    float* row = x + blockIdx.x * (size_t)n;
    for (int half = 1; half < n; half *= 2) {
        for (int i = threadIdx.x * 2 * half; i + half < n; i += 64 * half)
            row[i] = fmaxf(row[i], row[i + half]);
        __syncwarp();
    }
    if (threadIdx.x == 0)
        y[blockIdx.x] = row[0];
}
