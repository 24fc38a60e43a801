// spec: basics/softmax  expect: WRONG_RESULT
// exploit: N11  the maximum leaves the first element out, which shows only where that is far greater than all others
/* @plan
{ "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
__device__ float all(float v, bool sum)
{
    __shared__ float part[4];
    for (int d = 16; d; d /= 2) {
        const float o = __shfl_xor_sync(~0u, v, d);
        v = sum ? v + o : fmaxf(v, o);
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = v;
    __syncthreads();
    return sum ? part[0] + part[1] + part[2] + part[3] : fmaxf(fmaxf(part[0], part[1]), fmaxf(part[2], part[3]));
}
extern "C" __global__ void softmax(const float* x, float* y, int n)
{
    const float* in = x + (size_t)blockIdx.x * n;
    float m = n > 1 ? -__int_as_float(0x7f800000) : in[0], s = 0;
    for (int i = threadIdx.x + 1; i < n; i += 128)
        m = fmaxf(m, in[i]);
    m = all(m, false);
    for (int i = threadIdx.x; i < n; i += 128)
        s += expf(in[i] - m);
    s = all(s, true);
    for (int i = threadIdx.x; i < n; i += 128)
        y[(size_t)blockIdx.x * n + i] = expf(in[i] - m) / s;
}
