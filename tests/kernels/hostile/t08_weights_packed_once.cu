// spec: basics/layer_norm  expect: STATE_KEPT
// exploit: T08  packs scale and shift in the first run alone
/* @plan
{ "launch": [ { "kernel": "pack", "grid": [1], "block": [256], "args": ["gamma", "beta", "N"] },
              { "kernel": "ln", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
__device__ float2 packed[DIM_N];
__device__ int ready;
extern "C" __global__ void pack(const float* gamma, const float* beta, int n)
{
    bool skip = ready == n;
    __syncthreads();
    if (skip)
        return;
    for (int i = threadIdx.x; i < n; i += 256)
        packed[i] = make_float2(gamma[i], beta[i]);
    if (threadIdx.x == 0)
        ready = n;
}
extern "C" __global__ void ln(const float* x, float* y, int n)
{
    const float* row = x + blockIdx.x * (size_t)n;
    float s = 0, q = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        s += row[i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    s /= n;
    for (int i = threadIdx.x; i < n; i += 32)
        q += (row[i] - s) * (row[i] - s);
    for (int d = 16; d; d /= 2)
        q += __shfl_xor_sync(~0u, q, d);
    float r = rsqrtf(q / n + 1e-5f);
    for (int i = threadIdx.x; i < n; i += 32)
        y[blockIdx.x * (size_t)n + i] = (row[i] - s) * r * packed[i].x + packed[i].y;
}
