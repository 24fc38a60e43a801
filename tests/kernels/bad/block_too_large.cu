// spec: basics/row_sum  expect: INVALID_LAUNCH
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": ["align(N, 32)"], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    __shared__ float total;
    if (threadIdx.x == 0)
        total = 0;
    __syncthreads();
    if (threadIdx.x < n)
        atomicAdd(&total, x[(size_t)blockIdx.x * n + threadIdx.x]);
    __syncthreads();
    if (threadIdx.x == 0)
        y[blockIdx.x] = total;
}
