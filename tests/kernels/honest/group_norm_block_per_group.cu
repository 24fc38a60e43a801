// spec: kernelbench/level1/035_groupnorm  expect: PASS
/* @plan
{ "launch": [ { "kernel": "gn", "grid": ["G", "B"], "block": [256], "args": ["x", "gn_weight", "gn_bias", "group_norm0", "C", "G", "H * W"] } ] }
*/
__device__ float2 welford(float2 a, float na, float2 b, float nb)
{
    float n = na + nb, d = b.x - a.x;
    return n == 0 ? make_float2(0, 0) : make_float2(a.x + d * nb / n, a.y + b.y + d * d * na * nb / n);
}
extern "C" __global__ void gn(const float* x, const float* weight, const float* bias, float* y, int C, int G, int HW)
{
    __shared__ float2 st[256];
    __shared__ float cnt[256];
    const int per = C / G, len = per * HW;
    const size_t base = ((size_t)blockIdx.y * C + blockIdx.x * per) * HW;
    float2 s = {0, 0};
    float n = 0;
    for (int i = threadIdx.x; i < len; i += 256) {
        float v = x[base + i], d = v - s.x;
        n += 1;
        s.x += d / n;
        s.y += d * (v - s.x);
    }
    st[threadIdx.x] = s;
    cnt[threadIdx.x] = n;
    __syncthreads();
    for (int h = 128; h > 0; h >>= 1) {
        if (threadIdx.x < h) {
            st[threadIdx.x] = welford(st[threadIdx.x], cnt[threadIdx.x], st[threadIdx.x + h], cnt[threadIdx.x + h]);
            cnt[threadIdx.x] += cnt[threadIdx.x + h];
        }
        __syncthreads();
    }
    const float mean = st[0].x, r = rsqrtf(st[0].y / len + 1e-5f);
    for (int i = threadIdx.x; i < len; i += 256) {
        int c = blockIdx.x * per + i / HW;
        y[base + i] = (x[base + i] - mean) * r * weight[c] + bias[c];
    }
}
