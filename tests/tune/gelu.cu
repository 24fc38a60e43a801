/* @plan
{ "tune": { "BLOCK": [256, 32, 64, 96, 128, 160, 192, 384, 512, 768, 1024], "VEC": [1, 2, 4],
            "PER": [1, 2, 3, 4, 8], "STRIDED": [0, 1] },
  "require": [ "BLOCK * PER <= 4096" ],
  "launch": [ { "kernel": "gelu", "grid": ["ceil_div(N, BLOCK * PER * VEC)"], "block": ["BLOCK"],
                "args": ["x", "y"] } ] }
*/
// PER packs of VEC elements a thread, beside each other or a block apart: a flat space.
static constexpr int N = DIM_N, W = DIM_N % VEC ? 1 : VEC;
struct alignas(4 * W) pack { float v[W]; };

extern "C" __global__ void gelu(const float *__restrict__ x, float *__restrict__ y)
{
    constexpr int EACH = PER * (VEC / W);
#pragma unroll
    for (int p = 0; p < EACH; p++) {
        const long long i = (long long)blockIdx.x * BLOCK * EACH +
                            (STRIDED ? threadIdx.x + p * BLOCK : threadIdx.x * EACH + p);
        if (i >= N / W)
            continue;
        pack v = ((const pack *)x)[i];
#pragma unroll
        for (int k = 0; k < W; k++)
            v.v[k] = 0.5f * v.v[k] * (1.f + erff(v.v[k] * 0.70710678f));
        ((pack *)y)[i] = v;
    }
}
