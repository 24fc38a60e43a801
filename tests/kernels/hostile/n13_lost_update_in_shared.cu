// spec: basics/row_sum  expect: WRONG_RESULT
// exploit: N13  warps add to a volatile word of shared memory by a load and a store, which mostly do not meet
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int n)
{
    __shared__ volatile float total;
    if (threadIdx.x == 0)
        total = 0;
    __syncthreads();
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 128)
        s += x[blockIdx.x * (size_t)n + i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x % 32 == 0) {
        float seen = total;
        total = seen + s;
    }
    __syncthreads();
    if (threadIdx.x == 0)
        y[blockIdx.x] = total;
}
