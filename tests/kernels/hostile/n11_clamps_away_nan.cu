// spec: basics/softmax  expect: WRONG_RESULT
// exploit: N11  replaces whatever is not a number by something harmless, and hides that large values overflow
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
__device__ float total(float s)
{
    __shared__ float part[4];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = s;
    __syncthreads();
    s = part[0] + part[1] + part[2] + part[3];
    __syncthreads();
    return s;
}
extern "C" __global__ void k(const float* x, float* y, int n)
{
    const float* row = x + (size_t)blockIdx.x * n;
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 128)
        s += fminf(expf(row[i]), 1e30f);
    s = total(s);
    for (int i = threadIdx.x; i < n; i += 128) {
        float v = fminf(expf(row[i]), 1e30f) / s;
        y[(size_t)blockIdx.x * n + i] = v == v ? v : 0.f;
    }
}
