/* @plan
{ "scratch": [ { "name": "part", "dtype": "f32", "count": "B * SPLIT" } ],
  "tune": { "SPLIT": [1, 2, 4, 8, 16, 32], "LANES": [256, 32, 64, 128, 512, 1024],
            "VEC": [1, 2, 4], "SUMS": [1, 2, 4] },
  "require": [ "SPLIT * LANES <= 8192" ],
  "launch": [ { "kernel": "partial", "grid": ["SPLIT", "B"], "block": ["LANES"],
                "args": ["x", "part"] },
              { "kernel": "combine", "grid": ["ceil_div(B, 128)"], "block": [128],
                "args": ["part", "y"] } ] }
*/
// SPLIT blocks share a row; a thread keeps SUMS running sums of packs of VEC.
static constexpr int N = DIM_N, W = DIM_N % VEC ? 1 : VEC;
struct alignas(4 * W) pack { float v[W]; };

extern "C" __global__ void partial(const float *__restrict__ x, float *__restrict__ part)
{
    __shared__ float warp[32];
    const pack *row = (const pack *)(x + (size_t)blockIdx.y * N);
    float sum[SUMS] = {};
    const int step = SPLIT * LANES;
    int i = blockIdx.x * LANES + threadIdx.x;
    for (; i + (SUMS - 1) * step < N / W; i += SUMS * step)
#pragma unroll
        for (int s = 0; s < SUMS; s++) {
            const pack p = row[i + s * step];
#pragma unroll
            for (int k = 0; k < W; k++)
                sum[s] += p.v[k];
        }
    for (; i < N / W; i += step) {
        const pack p = row[i];
#pragma unroll
        for (int k = 0; k < W; k++)
            sum[0] += p.v[k];
    }
    float v = 0.f;
#pragma unroll
    for (int s = 0; s < SUMS; s++)
        v += sum[s];
    for (int s = 16; s; s /= 2)
        v += __shfl_xor_sync(~0u, v, s);
    if (threadIdx.x % 32 == 0)
        warp[threadIdx.x / 32] = v;
    __syncthreads();
    if (threadIdx.x == 0) {
        v = 0.f;
        for (int w = 0; w < LANES / 32; w++)
            v += warp[w];
        part[blockIdx.y * SPLIT + blockIdx.x] = v;
    }
}

extern "C" __global__ void combine(const float *__restrict__ part, float *__restrict__ y)
{
    const int row = blockIdx.x * 128 + threadIdx.x;
    if (row >= DIM_B)
        return;
    float v = 0.f;
    for (int s = 0; s < SPLIT; s++)
        v += part[row * SPLIT + s];
    y[row] = v;
}
