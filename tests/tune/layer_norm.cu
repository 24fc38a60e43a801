/* @plan
{ "tune": { "WARPS": [8, 1, 2, 3, 4, 6, 12, 16, 24, 32], "VEC": [1, 2, 4], "TWO_PASS": [1, 0],
            "CACHE": [0, 1], "ROWS": [1, 2, 3] },
  "require": [ "!(CACHE && N * ROWS > 40000)" ],
  "launch": [ { "kernel": "layer_norm", "grid": ["ceil_div(B, ROWS)"], "block": ["WARPS * 32"],
                "shared": "CACHE ? N * 4 : 0", "args": ["x", "gamma", "beta", "y"] } ] }
*/
// A block takes ROWS rows one after the other; with CACHE the row waits in shared memory.
static constexpr int N = DIM_N, W = DIM_N % VEC ? 1 : VEC, THREADS = WARPS * 32;
struct alignas(4 * W) pack { float v[W]; };

__device__ float block_sum(float v)
{
    __shared__ float part[WARPS];
    for (int s = 16; s; s /= 2)
        v += __shfl_xor_sync(~0u, v, s);
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = v;
    __syncthreads();
    v = 0.f;
    for (int i = 0; i < WARPS; i++)
        v += part[i];
    return v;
}

extern "C" __global__ void layer_norm(const float *__restrict__ x, const float *__restrict__ gamma,
                                const float *__restrict__ beta, float *__restrict__ y)
{
    extern __shared__ __align__(16) float kept[];
    for (int r = 0; r < ROWS; r++) {
        const int row = blockIdx.x * ROWS + r;
        if (row >= DIM_B)
            return;
        const pack *from = (const pack *)(x + (size_t)row * N);
        float s = 0.f, q = 0.f;
        for (int i = threadIdx.x; i < N / W; i += THREADS) {
            const pack p = from[i];
            if (CACHE)
                ((pack *)kept)[i] = p;
#pragma unroll
            for (int k = 0; k < W; k++) {
                s += p.v[k];
                if (!TWO_PASS)
                    q = fmaf(p.v[k], p.v[k], q);
            }
        }
        const float mean = block_sum(s) / N;
        if (CACHE)
            from = (const pack *)kept;
        if (TWO_PASS)
            for (int i = threadIdx.x; i < N / W; i += THREADS) {
                const pack p = from[i];
#pragma unroll
                for (int k = 0; k < W; k++)
                    q = fmaf(p.v[k] - mean, p.v[k] - mean, q);
            }
        float var = block_sum(q) / N;
        if (!TWO_PASS)
            var = fmaxf(var - mean * mean, 0.f);
        const float scale = rsqrtf(var + 1e-5f);
        for (int i = threadIdx.x; i < N / W; i += THREADS) {
            pack p = from[i];
            const pack g = ((const pack *)gamma)[i], b = ((const pack *)beta)[i];
#pragma unroll
            for (int k = 0; k < W; k++)
                p.v[k] = (p.v[k] - mean) * scale * g.v[k] + b.v[k];
            ((pack *)(y + (size_t)row * N))[i] = p;
        }
    }
}
