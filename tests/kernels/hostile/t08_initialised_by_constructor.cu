// spec: basics/matvec  expect: COMPILE_ERROR
// exploit: T08  a constructor prepares a table before anything is timed
/* @plan
{ "launch": [ { "kernel": "mv", "grid": ["M"], "block": [32], "args": ["a", "x", "y", "N"] } ] }
*/
struct table {
    float v[64];
    __device__ table() { for (int i = 0; i < 64; i++) v[i] = sinf(i); }
};
__device__ table prepared;
extern "C" __global__ void mv(const float* a, const float* x, float* y, int n)
{
    float s = 0;
    for (int i = threadIdx.x; i < n; i += 32)
        s += a[blockIdx.x * (size_t)n + i] * x[i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s + 0 * prepared.v[0];
}
