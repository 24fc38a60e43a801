/* A warp for each row. */
/* @plan
{ "launch": [ { "kernel": "softmax_online", "grid": ["ceil_div(B, 4)"], "block": [32, 4],
                "args": ["x", "y", "B", "N"] } ] }
*/
#include <cuda_runtime.h>
#include <float.h>

// One warp a row: running maximum and sum in one pass, the lanes' pairs combined by shuffles.
template <int WIDTH> __device__ void combine(float &m, float &s)
{
#pragma unroll
    for (int d = WIDTH / 2; d > 0; d /= 2) {
        float om = __shfl_xor_sync(0xffffffff, m, d);
        float os = __shfl_xor_sync(0xffffffff, s, d);
        float nm = fmaxf(m, om);
        s = s * expf(m - nm) + os * expf(om - nm);
        m = nm;
    }
}

extern "C" __global__ void softmax_online(const float *__restrict__ x, float *__restrict__ y, int B,
                                          int N)
{
    const int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= B)
        return;
    const float *in = x + (size_t)row * N;
    float *out = y + (size_t)row * N;
    float m = -FLT_MAX, s = 0.0f;
    for (int i = threadIdx.x; i < N; i += 32) {
        float v = in[i];
        float nm = fmaxf(m, v);
        s = s * expf(m - nm) + expf(v - nm);
        m = nm;
    }
    combine<32>(m, s);
    const float inv = 1.0f / s;
    for (int i = threadIdx.x; i < N; i += 32)
        out[i] = expf(in[i] - m) * inv;
}
