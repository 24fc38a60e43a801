// spec: basics/row_sum  expect: UNINITIALIZED_READ
// exploit: M10  adds into shared memory that happens to be zero
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int n)
{
    __shared__ float sum;
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 128)
        s += x[(size_t)blockIdx.x * n + i];
    atomicAdd(&sum, s);
    __syncthreads();
    if (threadIdx.x == 0)
        y[blockIdx.x] = sum;
}
