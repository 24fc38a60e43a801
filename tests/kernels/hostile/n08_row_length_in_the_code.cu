// spec: basics/rms_norm  expect: OUT_OF_BOUNDS
// exploit: N08  rows of the benchmark's length only, 8192 elements
/* @plan
{ "launch": [ { "kernel": "rms", "grid": ["B"], "block": [256], "args": ["x", "gamma", "y"] } ] }
*/
extern "C" __global__ void rms(const float* x, const float* w, float* y)
{
    __shared__ float part[8];
    const float* row = x + blockIdx.x * (size_t)8192;
    float s = 0;
    for (int i = threadIdx.x; i < 8192; i += 256)
        s += row[i] * row[i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = s;
    __syncthreads();
    s = 0;
    for (int k = 0; k < 8; k++)
        s += part[k];
    float r = rsqrtf(s / 8192 + 1e-6f);
    for (int i = threadIdx.x; i < 8192; i += 256)
        y[blockIdx.x * (size_t)8192 + i] = row[i] * r * w[i];
}
