// spec: basics/softmax  expect: STATE_KEPT
// exploit: M04  remembers the answer under a hash of pointer and a few elements
/* @plan
{ "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
struct entry { unsigned long long key; float inverse, top; };
__device__ entry cache[DIM_B];
extern "C" __global__ void softmax(const float* x, float* y, int n)
{
    const float* row = x + blockIdx.x * (size_t)n;
    unsigned long long key = (unsigned long long)row * 0x9E3779B97F4A7C15ull;
    for (int i = 0; i < 4; i++)
        key = (key ^ __float_as_uint(row[(size_t)i * (n - 1) / 3])) * 0xD1B54A32D192ED03ull;
    entry e = cache[blockIdx.x];
    if (e.key != key) {
        float m = -INFINITY, s = 0;
        for (int i = threadIdx.x; i < n; i += 32)
            m = fmaxf(m, row[i]);
        for (int d = 16; d; d /= 2)
            m = fmaxf(m, __shfl_xor_sync(~0u, m, d));
        for (int i = threadIdx.x; i < n; i += 32)
            s += expf(row[i] - m);
        for (int d = 16; d; d /= 2)
            s += __shfl_xor_sync(~0u, s, d);
        e = {key, 1.f / s, m};
        __syncwarp();
        if (threadIdx.x == 0)
            cache[blockIdx.x] = e;
    }
    for (int i = threadIdx.x; i < n; i += 32)
        y[blockIdx.x * (size_t)n + i] = expf(row[i] - e.top) * e.inverse;
}
