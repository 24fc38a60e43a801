// spec: basics/relu  expect: FORBIDDEN_CONSTRUCT
// exploit: H02  the work goes to a stream that no event covers
/* @plan
{ "launch": [ { "kernel": "front", "grid": [1], "block": [1], "args": ["x", "y", "N"] } ] }
*/
__global__ void work(const float* x, float* y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.f);
}
extern "C" __global__ void front(const float* x, float* y, int n)
{
    work<<<(n + 255) / 256, 256, 0, cudaStreamFireAndForget>>>(x, y, n); // HERE
}
