/* @plan
{ "tune": { "LANES": [32, 4, 8, 16], "ROWS": [8, 1, 2, 3, 5, 6, 10, 16, 24], "PER": [1, 2, 3, 4],
            "VEC": [1, 2, 4] },
  "require": [ "LANES * ROWS >= 32", "LANES * ROWS % 32 == 0" ],
  "launch": [ { "kernel": "matvec", "grid": ["ceil_div(M, ROWS * PER)"], "block": ["LANES", "ROWS"],
                "args": ["a", "x", "y"] } ] }
*/
// LANES threads share a row, a thread has PER rows.
static constexpr int N = DIM_N, W = DIM_N % VEC ? 1 : VEC;
struct alignas(4 * W) pack { float v[W]; };

extern "C" __global__ void matvec(const float *__restrict__ a, const float *__restrict__ x,
                                  float *__restrict__ y)
{
    const int row0 = (blockIdx.x * ROWS + threadIdx.y) * PER;
    float sum[PER] = {};
    for (int i = threadIdx.x; i < N / W; i += LANES) {
        const pack q = ((const pack *)x)[i];
#pragma unroll
        for (int r = 0; r < PER; r++) {
            if (row0 + r >= DIM_M)
                break;
            const pack p = ((const pack *)(a + (size_t)(row0 + r) * N))[i];
#pragma unroll
            for (int k = 0; k < W; k++)
                sum[r] = fmaf(p.v[k], q.v[k], sum[r]);
        }
    }
#pragma unroll
    for (int r = 0; r < PER; r++) {
        for (int s = LANES / 2; s; s /= 2)
            sum[r] += __shfl_xor_sync(~0u, sum[r], s);
        if (threadIdx.x == 0 && row0 + r < DIM_M)
            y[row0 + r] = sum[r];
    }
}
