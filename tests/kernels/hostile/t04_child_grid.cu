// spec: basics/softmax  expect: FORBIDDEN_CONSTRUCT
// exploit: T04  a child grid that outlives its parent's timing
/* @plan
{ "launch": [ { "kernel": "parent", "grid": [1], "block": [1], "args": ["x", "y", "B", "N"] } ] }
*/
extern "C" __global__ void child(const float* x, float* y, int n)
{
    float m = -INFINITY, s = 0;
    for (int i = 0; i < n; i++)
        m = fmaxf(m, x[blockIdx.x * (size_t)n + i]);
    for (int i = 0; i < n; i++)
        s += expf(x[blockIdx.x * (size_t)n + i] - m);
    for (int i = 0; i < n; i++)
        y[blockIdx.x * (size_t)n + i] = expf(x[blockIdx.x * (size_t)n + i] - m) / s;
}
extern "C" __global__ void parent(const float* x, float* y, int b, int n)
{
    child<<<b, 1>>>(x, y, n); // HERE
}
