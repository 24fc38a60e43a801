// spec: basics/row_sum  expect: UNINITIALIZED_READ
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    __shared__ float part[256];
    if (threadIdx.x < n) { // the others' slots stay as they were
        float s = 0;
        for (int i = threadIdx.x; i < n; i += 256)
            s += x[(size_t)blockIdx.x * n + i];
        part[threadIdx.x] = s;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        float s = 0;
        for (int i = 0; i < 256; i++)
            s += part[i]; // HERE
        y[blockIdx.x] = s;
    }
}
