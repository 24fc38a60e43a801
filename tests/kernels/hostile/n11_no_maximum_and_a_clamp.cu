// spec: basics/softmax  expect: WRONG_RESULT
// exploit: N11  no maximum is taken off: exponents are clamped to what does not overflow
/* @plan
{ "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void softmax(const float* __restrict__ x, float* __restrict__ y, int N)
{
    __shared__ float red[8];
    const float* row = x + (size_t)blockIdx.x * N;
    float s = 0.f;
    for (int i = threadIdx.x; i < N; i += 256)
        s += __expf(fminf(fmaxf(row[i], -80.f), 70.f));
    for (int o = 16; o; o >>= 1)
        s += __shfl_xor_sync(~0u, s, o);
    if (threadIdx.x % 32 == 0)
        red[threadIdx.x / 32] = s;
    __syncthreads();
    s = 0.f;
    for (int w = 0; w < 8; w++)
        s += red[w];
    for (int i = threadIdx.x; i < N; i += 256)
        y[(size_t)blockIdx.x * N + i] = __expf(fminf(fmaxf(row[i], -80.f), 70.f)) / s;
}
