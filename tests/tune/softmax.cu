/* @plan
{ "tune": { "LANES": [256, 32, 64, 128, 512, 1024], "ROWS": [1, 2, 4, 8], "VEC": [1, 2, 4],
            "ONLINE": [0, 1], "UNROLL": [1, 2, 4] },
  "require": [ "LANES * ROWS <= 1024" ],
  "launch": [ { "kernel": "softmax", "grid": ["ceil_div(B, ROWS)"], "block": ["LANES", "ROWS"],
                "args": ["x", "y"] } ] }
*/
// LANES threads share a row, a block has ROWS rows.
static constexpr int N = DIM_N, W = DIM_N % VEC ? 1 : VEC;

template <typename F> __device__ __forceinline__ float over_row(float v, F f)
{
    __shared__ float part[ROWS][LANES / 32];
    for (int s = 16; s; s /= 2)
        v = f(v, __shfl_xor_sync(~0u, v, s));
    if (LANES == 32)
        return v;
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        part[threadIdx.y][threadIdx.x / 32] = v;
    __syncthreads();
    v = part[threadIdx.y][0];
    for (int i = 1; i < LANES / 32; i++)
        v = f(v, part[threadIdx.y][i]);
    return v;
}

struct alignas(4 * W) pack { float v[W]; };

extern "C" __global__ void softmax(const float *__restrict__ x, float *__restrict__ y)
{
    const int row = blockIdx.x * ROWS + threadIdx.y;
    const bool in = row < DIM_B;
    const pack *from = (const pack *)(x + (size_t)(in ? row : 0) * N);
    pack *to = (pack *)(y + (size_t)(in ? row : 0) * N);
    float m = -INFINITY, s = 0.f;
#pragma unroll UNROLL
    for (int i = threadIdx.x; i < N / W; i += LANES) {
        const pack p = from[i];
#pragma unroll
        for (int k = 0; k < W; k++) {
            if (ONLINE) {
                const float n = fmaxf(m, p.v[k]);
                s = s * __expf(m - n) + __expf(p.v[k] - n);
                m = n;
            } else {
                m = fmaxf(m, p.v[k]);
            }
        }
    }
    const float top = over_row(m, [](float a, float b) { return fmaxf(a, b); });
    if (ONLINE) {
        s = m == -INFINITY ? 0.f : s * __expf(m - top);
    } else {
#pragma unroll UNROLL
        for (int i = threadIdx.x; i < N / W; i += LANES) {
            const pack p = from[i];
#pragma unroll
            for (int k = 0; k < W; k++)
                s += __expf(p.v[k] - top);
        }
    }
    const float scale = 1.f / over_row(s, [](float a, float b) { return a + b; });
    if (!in)
        return;
#pragma unroll UNROLL
    for (int i = threadIdx.x; i < N / W; i += LANES) {
        pack p = from[i];
#pragma unroll
        for (int k = 0; k < W; k++)
            p.v[k] = __expf(p.v[k] - top) * scale;
        to[i] = p;
    }
}
