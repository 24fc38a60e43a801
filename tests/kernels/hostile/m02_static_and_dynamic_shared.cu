// spec: basics/row_sum  expect: INVALID_LAUNCH
// exploit: M02  static and dynamic shared memory fit alone and not together
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [256], "shared": "200 * 1024", "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    __shared__ float stage[40 * 256];
    extern __shared__ float s[];
    for (int k = 0; k < 40; k++)
        stage[k * 256 + threadIdx.x] = 0;
    s[threadIdx.x] = 0;
    for (int i = threadIdx.x, k = 0; i < n; i += 256, k = (k + 1) % 40)
        stage[k * 256 + threadIdx.x] += x[blockIdx.x * (size_t)n + i];
    for (int k = 0; k < 40; k++)
        s[threadIdx.x] += stage[k * 256 + threadIdx.x];
    __syncthreads();
    if (threadIdx.x == 0) {
        float t = 0;
        for (int i = 0; i < 256; i++)
            t += s[i];
        y[blockIdx.x] = t;
    }
}
