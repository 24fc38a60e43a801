/* @plan
{ "tune": { "WAY": [0, 1, 2], "BLOCK": [256, 32, 64, 128, 512, 1024], "VEC": [1, 2, 4],
            "GROUP": [1, 2, 4, 8], "UNROLL": [1, 4] },
  "require": [ "WAY != 2 || GROUP <= BLOCK / 32", "WAY == 2 || GROUP <= 4" ],
  "launch": [ { "kernel": "row_max",
                "grid": ["WAY == 0 ? ceil_div(B, BLOCK / 32) : WAY == 1 ? B : ceil_div(B, GROUP)"],
                "block": ["BLOCK"], "args": ["x", "y"] } ] }
*/
// Three ways: a warp a row, a block a row, or GROUP rows a block with BLOCK / GROUP threads each.
static constexpr int N = DIM_N, W = DIM_N % VEC ? 1 : VEC;
struct alignas(4 * W) pack { float v[W]; };

__device__ __forceinline__ float scan(const float *row, int from, int step)
{
    float m = -INFINITY;
#pragma unroll UNROLL
    for (int i = from; i < N / W; i += step) {
        const pack p = ((const pack *)row)[i];
#pragma unroll
        for (int k = 0; k < W; k++)
            m = fmaxf(m, p.v[k]);
    }
    for (int s = 16; s; s /= 2)
        m = fmaxf(m, __shfl_xor_sync(~0u, m, s));
    return m;
}

extern "C" __global__ void row_max(const float *__restrict__ x, float *__restrict__ y)
{
    __shared__ float part[BLOCK / 32];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    if (WAY == 0) {
        const int row = blockIdx.x * (BLOCK / 32) + warp;
        if (row >= DIM_B)
            return;
        const float m = scan(x + (size_t)row * N, lane, 32);
        if (lane == 0)
            y[row] = m;
        return;
    }
    constexpr int ROWS = WAY == 2 ? GROUP : 1, THREADS = BLOCK / ROWS;
    const int mine = threadIdx.x / THREADS, row = blockIdx.x * ROWS + mine;
    part[warp] = scan(x + (size_t)(row < DIM_B ? row : 0) * N, threadIdx.x % THREADS, THREADS);
    __syncthreads();
    if (threadIdx.x % THREADS || row >= DIM_B)
        return;
    float m = -INFINITY;
    for (int i = 0; i < THREADS / 32; i++)
        m = fmaxf(m, part[mine * (THREADS / 32) + i]);
    y[row] = m;
}
