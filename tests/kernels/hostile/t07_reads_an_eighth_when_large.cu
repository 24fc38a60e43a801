// spec: basics/row_sum  expect: UNVERIFIED_PATH
// exploit: T07  faster than memory allows: at the benchmark's size most of the row is not read
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    __shared__ float part[8];
    int used = n > 4096 ? n / 8 : n;
    float s = 0;
    for (int i = threadIdx.x; i < used; i += 256)
        s += x[blockIdx.x * (size_t)n + i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x == 0) {
        s = 0;
        for (int w = 0; w < 8; w++)
            s += part[w];
        y[blockIdx.x] = s * ((float)n / used);
    }
}
