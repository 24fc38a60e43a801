// spec: basics/row_sum  expect: SHARED_RACE
// exploit: N13  a tree without barriers, right on most runs
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    __shared__ float s[128];
    float v = 0;
    for (int i = threadIdx.x; i < n; i += 128)
        v += x[blockIdx.x * (size_t)n + i];
    s[threadIdx.x] = v;
    for (int h = 64; h; h /= 2)
        if ((int)threadIdx.x < h)
            s[threadIdx.x] += s[threadIdx.x + h];
    if (threadIdx.x == 0)
        y[blockIdx.x] = s[0];
}
