// spec: basics/row_sum  expect: WRONG_RESULT
// exploit: N13  a lock that is looked at and then taken, so that two may hold it
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int n)
{
    __shared__ volatile int taken;
    __shared__ volatile float total;
    if (threadIdx.x == 0)
        taken = 0, total = 0;
    __syncthreads();
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 256)
        s += x[blockIdx.x * (size_t)n + i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x % 32 == 0) {
        while (taken)
            ;
        taken = 1;
        __threadfence_block();
        total = total + s;
        __threadfence_block();
        taken = 0;
    }
    __syncthreads();
    if (threadIdx.x == 0)
        y[blockIdx.x] = total;
}
