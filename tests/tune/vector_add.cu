/* @plan
{ "tune": { "BLOCK": [256, 64, 128, 192, 384, 512, 640, 1024], "BLOCKS": [1024, 132, 264, 396, 528, 792, 1056, 2048, 4096],
            "VEC": [1, 2, 4], "UNROLL": [1, 2, 4] },
  "require": [ "BLOCK * BLOCKS >= 65536" ],
  "launch": [ { "kernel": "add", "grid": ["BLOCKS"], "block": ["BLOCK"], "args": ["a", "b", "c"] } ] }
*/
// A grid of fixed size strides over the vector: what is best depends on how blocks fill the SMs.
static constexpr int N = DIM_N, W = DIM_N % VEC ? 1 : VEC;
struct alignas(4 * W) pack { float v[W]; };

extern "C" __global__ void add(const float *__restrict__ a, const float *__restrict__ b,
                               float *__restrict__ c)
{
    constexpr int STEP = BLOCK * BLOCKS;
#pragma unroll UNROLL
    for (int i = blockIdx.x * BLOCK + threadIdx.x; i < N / W; i += STEP) {
        pack p = ((const pack *)a)[i];
        const pack q = ((const pack *)b)[i];
#pragma unroll
        for (int k = 0; k < W; k++)
            p.v[k] += q.v[k];
        ((pack *)c)[i] = p;
    }
}
