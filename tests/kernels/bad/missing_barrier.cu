// spec: basics/row_sum  expect: SHARED_RACE
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    __shared__ float part[256];
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 256)
        s += x[(size_t)blockIdx.x * n + i];
    part[threadIdx.x] = s;
    __syncthreads();
    for (int d = 128; d > 0; d >>= 1) // the barrier between the steps is missing
        if (threadIdx.x < d)
            part[threadIdx.x] += part[threadIdx.x + d]; // HERE
    if (threadIdx.x == 0)
        y[blockIdx.x] = part[0];
}
