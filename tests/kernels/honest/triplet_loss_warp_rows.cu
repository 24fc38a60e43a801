// spec: kernelbench/level1/099_tripletmarginloss  expect: PASS
// A warp a row, float2 when the rows are even; the last of the blocks adds the rows up in order.
/* @plan
{ "scratch": [ { "name": "rows", "dtype": "f32", "count": "B" } ],
  "launch": [ { "kernel": "triplet_rows", "grid": ["ceil_div(B, 8)"], "block": [32, 8],
                "args": ["anchor", "positive", "negative", "rows", "B", "N"] },
              { "kernel": "triplet_mean", "grid": [1], "block": [1024], "args": ["rows", "reduce10", "B"] } ] }
*/
static __device__ __forceinline__ float warpSum(float v)
{
    v += __shfl_xor_sync(~0u, v, 16);
    v += __shfl_xor_sync(~0u, v, 8);
    v += __shfl_xor_sync(~0u, v, 4);
    v += __shfl_xor_sync(~0u, v, 2);
    v += __shfl_xor_sync(~0u, v, 1);
    return v;
}

extern "C" __global__ void triplet_rows(const float* __restrict__ a, const float* __restrict__ p,
                                        const float* __restrict__ n, float* __restrict__ rows, int B, int N)
{
    const int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= B)
        return;
    const size_t base = (size_t)row * N;
    float dp = 0.f, dn = 0.f;
    if (N % 2 == 0) {
        const float2* a2 = (const float2*)(a + base);
        const float2* p2 = (const float2*)(p + base);
        const float2* n2 = (const float2*)(n + base);
        for (int i = threadIdx.x; i < N / 2; i += 32) {
            const float2 va = a2[i], vp = p2[i], vn = n2[i];
            const float px = va.x - vp.x + 1e-6f, py = va.y - vp.y + 1e-6f;
            const float nx = va.x - vn.x + 1e-6f, ny = va.y - vn.y + 1e-6f;
            dp += px * px + py * py;
            dn += nx * nx + ny * ny;
        }
    } else {
        for (int i = threadIdx.x; i < N; i += 32) {
            const float x = a[base + i] - p[base + i] + 1e-6f, y = a[base + i] - n[base + i] + 1e-6f;
            dp += x * x;
            dn += y * y;
        }
    }
    dp = warpSum(dp);
    dn = warpSum(dn);
    if (threadIdx.x == 0)
        rows[row] = fmaxf(sqrtf(dp) - sqrtf(dn) + 1.0f, 0.0f);
}

extern "C" __global__ void triplet_mean(const float* __restrict__ rows, float* __restrict__ out, int B)
{
    __shared__ float part[32];
    float s = 0.f;
    for (int i = threadIdx.x; i < B; i += blockDim.x)
        s += rows[i];
    s = warpSum(s);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x < 32) {
        s = warpSum(part[threadIdx.x]);
        if (threadIdx.x == 0)
            *out = s / B;
    }
}
