// spec: basics/cumsum  expect: WRONG_RESULT
// exploit: N12  carries of more than sixteen tiles before are dropped: they are small beside the rest, mostly
/* @plan
{ "launch": [ { "kernel": "scan", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void scan(const float* x, float* y, int N)
{
    const size_t base = (size_t)blockIdx.x * N;
    float carry = 0.f;
    for (int t = 0; t < N; t += 32) {
        float v = t + threadIdx.x < N ? x[base + t + threadIdx.x] : 0.f;
        for (int d = 1; d < 32; d <<= 1) {
            const float o = __shfl_up_sync(~0u, v, d);
            if (threadIdx.x >= d)
                v += o;
        }
        v += carry;
        if (t + threadIdx.x < N)
            y[base + t + threadIdx.x] = v;
        carry = __shfl_sync(~0u, v, 31);
        if (t == 32 * 200)
            carry = 0.f;
    }
}
