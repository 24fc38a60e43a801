// spec: kernelbench/level1/034_instancenorm  expect: PASS
// A block a plane, shifted sums by the first element, four at a time where planes allow it.
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B * C"], "block": [256], "args": ["x", "group_norm0", "H * W"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int n)
{
    __shared__ float ps[8], pq[8];
    const float* in = x + (size_t)blockIdx.x * n;
    float* out = y + (size_t)blockIdx.x * n;
    const float shift = in[0];
    float s = 0, q = 0;
    if (n % 4 == 0) {
        for (int i = threadIdx.x; i < n / 4; i += 256) {
            float4 v = reinterpret_cast<const float4*>(in)[i];
            float a = v.x - shift, b = v.y - shift, c = v.z - shift, d = v.w - shift;
            s += (a + b) + (c + d);
            q += (a * a + b * b) + (c * c + d * d);
        }
    } else {
        for (int i = threadIdx.x; i < n; i += 256) {
            float a = in[i] - shift;
            s += a;
            q += a * a;
        }
    }
    for (int d = 16; d; d /= 2) {
        s += __shfl_xor_sync(~0u, s, d);
        q += __shfl_xor_sync(~0u, q, d);
    }
    if (threadIdx.x % 32 == 0) {
        ps[threadIdx.x / 32] = s;
        pq[threadIdx.x / 32] = q;
    }
    __syncthreads();
    s = q = 0;
    for (int w = 0; w < 8; w++) {
        s += ps[w];
        q += pq[w];
    }
    const float mean = s / n, r = rsqrtf(fmaxf(q / n - mean * mean, 0.f) + 1e-5f);
    for (int i = threadIdx.x; i < n; i += 256)
        out[i] = (in[i] - shift - mean) * r;
}
