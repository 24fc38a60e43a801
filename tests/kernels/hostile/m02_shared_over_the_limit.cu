// spec: basics/row_sum  expect: INVALID_LAUNCH
// exploit: M02  256 bytes of shared memory too many: the launch fails and stale memory would pass
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [256], "shared": "227 * 1024 + 256", "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    extern __shared__ float s[];
    s[threadIdx.x] = 0;
    for (int i = threadIdx.x; i < n; i += 256)
        s[threadIdx.x] += x[blockIdx.x * (size_t)n + i];
    __syncthreads();
    if (threadIdx.x == 0) {
        float t = 0;
        for (int i = 0; i < 256; i++)
            t += s[i];
        y[blockIdx.x] = t;
    }
}
