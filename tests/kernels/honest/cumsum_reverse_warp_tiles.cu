// spec: kernelbench/level1/091_cumsum_reverse  expect: PASS
// From the last tile to the first; a scan of each by shuffles and the carry of those after it.
/* @plan
{ "launch": [ { "kernel": "reverse_cumsum", "grid": ["B"], "block": [512], "args": ["x", "flip2", "N"] } ] }
*/
extern "C" __global__ void reverse_cumsum(const float* __restrict__ x, float* __restrict__ y, int n)
{
    __shared__ float totals[16];
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const size_t base = (size_t)blockIdx.x * n;
    float carry = 0.f;
    for (int start = 0; start < n; start += 512) {
        const int j = start + threadIdx.x; /* distance from the end */
        float v = j < n ? x[base + (n - 1 - j)] : 0.f;
        for (int d = 1; d < 32; d <<= 1) {
            const float o = __shfl_up_sync(0xffffffffu, v, d);
            if (lane >= d)
                v += o;
        }
        if (lane == 31)
            totals[warp] = v;
        __syncthreads();
        if (warp == 0) {
            float t = lane < 16 ? totals[lane] : 0.f;
            for (int d = 1; d < 16; d <<= 1) {
                const float o = __shfl_up_sync(0xffffffffu, t, d);
                if (lane >= d)
                    t += o;
            }
            if (lane < 16)
                totals[lane] = t;
        }
        __syncthreads();
        v += carry + (warp ? totals[warp - 1] : 0.f);
        if (j < n)
            y[base + (n - 1 - j)] = v;
        carry += totals[15];
        __syncthreads();
    }
}
