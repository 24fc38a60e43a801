/* @plan
{ "tune": { "LANES": [256, 32, 64, 96, 128, 160, 512, 1024], "ROWS": [1, 2, 4, 6], "VEC": [1, 2, 4],
            "KEEP": [0, 4, 8, 16], "GROUP": [1, 2] },
  "require": [ "LANES * ROWS <= 1024" ],
  "launch": [ { "kernel": "rms", "grid": ["ceil_div(B, ROWS * GROUP)"], "block": ["LANES", "ROWS"],
                "args": ["x", "gamma", "y"] } ] }
*/
// LANES threads a row; the first KEEP packs of a thread stay in registers between the two passes.
static constexpr int N = DIM_N, W = DIM_N % VEC ? 1 : VEC, PACKS = N / W;
struct alignas(4 * W) pack { float v[W]; };

__device__ float row_total(float v)
{
    __shared__ float part[ROWS][LANES / 32];
    for (int s = 16; s; s /= 2)
        v += __shfl_xor_sync(~0u, v, s);
    if (LANES == 32)
        return v;
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        part[threadIdx.y][threadIdx.x / 32] = v;
    __syncthreads();
    v = 0.f;
    for (int i = 0; i < LANES / 32; i++)
        v += part[threadIdx.y][i];
    return v;
}

__device__ __forceinline__ float square(const pack &p)
{
    float s = 0.f;
#pragma unroll
    for (int k = 0; k < W; k++)
        s = fmaf(p.v[k], p.v[k], s);
    return s;
}

__device__ __forceinline__ pack scaled(pack p, const pack g, float scale)
{
#pragma unroll
    for (int k = 0; k < W; k++)
        p.v[k] *= g.v[k] * scale;
    return p;
}

extern "C" __global__ void rms(const float *__restrict__ x, const float *__restrict__ gamma,
                               float *__restrict__ y)
{
    const pack *g = (const pack *)gamma;
    for (int r = 0; r < GROUP; r++) {
        const int row = (blockIdx.x * GROUP + r) * ROWS + threadIdx.y;
        const bool in = row < DIM_B;
        const pack *from = (const pack *)(x + (size_t)(in ? row : 0) * N);
        pack *to = (pack *)(y + (size_t)(in ? row : 0) * N);
        pack kept[KEEP + 1];
        float s = 0.f;
#pragma unroll
        for (int k = 0; k < KEEP; k++) {
            const int i = threadIdx.x + k * LANES;
            if (i < PACKS) {
                kept[k] = from[i];
                s += square(kept[k]);
            }
        }
        for (int i = threadIdx.x + KEEP * LANES; i < PACKS; i += LANES)
            s += square(from[i]);
        const float scale = rsqrtf(row_total(s) / N + 1e-5f);
        if (!in)
            continue;
#pragma unroll
        for (int k = 0; k < KEEP; k++) {
            const int i = threadIdx.x + k * LANES;
            if (i < PACKS)
                to[i] = scaled(kept[k], g[i], scale);
        }
        for (int i = threadIdx.x + KEEP * LANES; i < PACKS; i += LANES)
            to[i] = scaled(from[i], g[i], scale);
    }
}
