// spec: basics/row_sum  expect: DIVERGENT_BARRIER
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [64], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    __shared__ float part[64];
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 64)
        s += x[(size_t)blockIdx.x * n + i];
    part[threadIdx.x] = s;
    __syncthreads();
    for (int d = 32; d > 0; d >>= 1) {
        if (threadIdx.x < d) {
            part[threadIdx.x] += part[threadIdx.x + d];
            __syncthreads(); // HERE
        }
    }
    if (threadIdx.x == 0)
        y[blockIdx.x] = part[0];
}
