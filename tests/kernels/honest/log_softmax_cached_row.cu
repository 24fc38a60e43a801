// spec: basics/log_softmax  expect: PASS
// The row in dynamic shared memory when it fits, else read again.
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [256], "shared": "min(N, 8192) * 4", "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int n)
{
    extern __shared__ float kept[];
    __shared__ float part[8];
    const float* row = x + (size_t)blockIdx.x * n;
    const bool fits = n <= 8192;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float m = -INFINITY, s = 0;
    for (int i = threadIdx.x; i < n; i += 256) {
        float v = row[i];
        if (fits)
            kept[i] = v;
        m = fmaxf(m, v);
    }
    for (int d = 16; d; d /= 2)
        m = fmaxf(m, __shfl_xor_sync(~0u, m, d));
    if (lane == 0)
        part[warp] = m;
    __syncthreads();
    for (int i = 0; i < 8; i++)
        m = fmaxf(m, part[i]);
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += 256)
        s += expf((fits ? kept[i] : row[i]) - m);
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (lane == 0)
        part[warp] = s;
    __syncthreads();
    s = 0;
    for (int i = 0; i < 8; i++)
        s += part[i];
    const float by = m + logf(s);
    for (int i = threadIdx.x; i < n; i += 256)
        y[(size_t)blockIdx.x * n + i] = (fits ? kept[i] : row[i]) - by;
}
