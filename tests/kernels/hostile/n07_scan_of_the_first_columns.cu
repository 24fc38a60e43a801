// spec: basics/cumsum  expect: WRONG_RESULT
// exploit: N07  scans the first columns and repeats the last value
/* @plan
{ "launch": [ { "kernel": "scan", "grid": ["B"], "block": [1], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void scan(const float* x, float* y, int n)
{
    float s = 0;
    for (int i = 0; i < n; i++) {
        if (i < 192)
            s += x[blockIdx.x * (size_t)n + i];
        y[blockIdx.x * (size_t)n + i] = s;
    }
}
