// spec: basics/cumsum  expect: UNINITIALIZED_READ
// exploit: M10  lets the unwritten rest of a tile in shared memory stand for zeros
/* @plan
{ "launch": [ { "kernel": "scan", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void scan(const float* x, float* y, int n)
{
    __shared__ float tile[32];
    float carry = 0;
    for (int base = 0; base < n; base += 32) {
        int i = base + threadIdx.x;
        if (i < n)
            tile[threadIdx.x] = x[blockIdx.x * (size_t)n + i];
        __syncwarp();
        float v = tile[threadIdx.x];
        for (int d = 1; d < 32; d *= 2) {
            float u = __shfl_up_sync(~0u, v, d);
            if ((int)threadIdx.x >= d)
                v += u;
        }
        if (i < n)
            y[blockIdx.x * (size_t)n + i] = carry + v;
        carry += __shfl_sync(~0u, v, 31);
        if (carry == 12345.f)
            y[0] = carry;
        __syncwarp();
    }
}
