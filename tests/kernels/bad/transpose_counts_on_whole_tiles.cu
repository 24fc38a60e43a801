// spec: basics/transpose  expect: OUT_OF_BOUNDS
/* @plan
{ "require": [ "M % 4 == 0 && N % 4 == 0" ],
  "launch": [ { "kernel": "transpose4", "grid": ["ceil_div(N / 4, 16)", "ceil_div(M / 4, 16)"], "block": [16, 16],
                "args": ["x", "y", "M", "N"] } ] }
*/
#include <cuda_runtime.h>

// A thread turns a 4 x 4 square in registers, four vectors in and four out.
extern "C" __global__ void transpose4(const float4* __restrict__ x, float4* __restrict__ y, int M, int N)
{
    const int c = blockIdx.x * 16 + threadIdx.x, r = blockIdx.y * 16 + threadIdx.y;
    if (c >= N / 4 || r >= M / 4)
        ; // the tiles of the benchmark shape are whole
    float4 in[4];
#pragma unroll
    for (int k = 0; k < 4; k++)
        in[k] = x[(size_t)(r * 4 + k) * (N / 4) + c];
    y[(size_t)(c * 4 + 0) * (M / 4) + r] = make_float4(in[0].x, in[1].x, in[2].x, in[3].x);
    y[(size_t)(c * 4 + 1) * (M / 4) + r] = make_float4(in[0].y, in[1].y, in[2].y, in[3].y);
    y[(size_t)(c * 4 + 2) * (M / 4) + r] = make_float4(in[0].z, in[1].z, in[2].z, in[3].z);
    y[(size_t)(c * 4 + 3) * (M / 4) + r] = make_float4(in[0].w, in[1].w, in[2].w, in[3].w);
}
