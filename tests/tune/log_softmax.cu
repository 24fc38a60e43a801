/* @plan
{ "scratch": [ { "name": "top", "dtype": "f32", "count": "B * SPLIT" },
               { "name": "sum", "dtype": "f32", "count": "B * SPLIT" } ],
  "tune": { "SPLIT": [4, 1, 2, 3, 8, 16], "FIRST": [256, 32, 64, 128, 512], "LAST": [256, 64, 128, 512, 1024],
            "CHUNKS": [1, 2, 4, 8], "VEC": [1, 4] },
  "require": [ "FIRST * SPLIT <= 4096", "LAST * CHUNKS <= 2048" ],
  "launch": [ { "kernel": "look", "grid": ["SPLIT", "B"], "block": ["FIRST"], "args": ["x", "top", "sum"] },
              { "kernel": "write", "grid": ["CHUNKS", "B"], "block": ["LAST"],
                "args": ["x", "top", "sum", "y"] } ] }
*/
// Two kernels with sizes of their own: SPLIT blocks look at a row, CHUNKS blocks write it.
static constexpr int N = DIM_N, W = DIM_N % VEC ? 1 : VEC, PACKS = N / W;
struct alignas(4 * W) pack { float v[W]; };

__device__ __forceinline__ void join(float &m, float &s, float m2, float s2)
{
    const float n = fmaxf(m, m2);
    s = (s > 0.f ? s * __expf(m - n) : 0.f) + (s2 > 0.f ? s2 * __expf(m2 - n) : 0.f);
    m = n;
}

extern "C" __global__ void look(const float *__restrict__ x, float *__restrict__ top,
                                float *__restrict__ sum)
{
    __shared__ float tops[FIRST / 32], sums[FIRST / 32];
    const pack *row = (const pack *)(x + (size_t)blockIdx.y * N);
    float m = -INFINITY, s = 0.f;
    for (int i = blockIdx.x * FIRST + threadIdx.x; i < PACKS; i += SPLIT * FIRST) {
        const pack p = row[i];
#pragma unroll
        for (int k = 0; k < W; k++)
            join(m, s, p.v[k], 1.f);
    }
    for (int d = 16; d; d /= 2) {
        const float m2 = __shfl_xor_sync(~0u, m, d), s2 = __shfl_xor_sync(~0u, s, d);
        join(m, s, m2, s2);
    }
    if (threadIdx.x % 32 == 0) {
        tops[threadIdx.x / 32] = m;
        sums[threadIdx.x / 32] = s;
    }
    __syncthreads();
    if (threadIdx.x)
        return;
    for (int w = 1; w < FIRST / 32; w++)
        join(m, s, tops[w], sums[w]);
    top[blockIdx.y * SPLIT + blockIdx.x] = m;
    sum[blockIdx.y * SPLIT + blockIdx.x] = s;
}

extern "C" __global__ void write(const float *__restrict__ x, const float *__restrict__ top,
                                 const float *__restrict__ sum, float *__restrict__ y)
{
    float m = -INFINITY, s = 0.f;
    for (int i = 0; i < SPLIT; i++)
        join(m, s, top[blockIdx.y * SPLIT + i], sum[blockIdx.y * SPLIT + i]);
    m += logf(s);
    const size_t row = (size_t)blockIdx.y * N;
    for (int i = blockIdx.x * LAST + threadIdx.x; i < PACKS; i += CHUNKS * LAST) {
        pack p = ((const pack *)(x + row))[i];
#pragma unroll
        for (int k = 0; k < W; k++)
            p.v[k] -= m;
        ((pack *)(y + row))[i] = p;
    }
}
