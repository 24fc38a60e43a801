// spec: basics/relpos_attention  expect: PASS
/* @plan
{ "launch": [ { "kernel": "relpos", "grid": ["S", "B * H"], "block": [128], "shared": "(S + D + 4) * 4",
                "args": ["q", "k", "v", "o", "S", "D"] } ] }
*/
#include <cuda_runtime.h>

__device__ float reduce(float v, float* part, bool is_max)
{
    for (int d = 16; d > 0; d >>= 1) {
        float w = __shfl_xor_sync(0xffffffffu, v, d);
        v = is_max ? fmaxf(v, w) : v + w;
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = v;
    __syncthreads();
    return is_max ? fmaxf(fmaxf(part[0], part[1]), fmaxf(part[2], part[3]))
                  : part[0] + part[1] + part[2] + part[3];
}

// A block owns one query row: scores in shared memory, then softmax, then the weighted sum of v.
extern "C" __global__ void relpos(const float* q, const float* k, const float* v, float* o, int S, int D)
{
    extern __shared__ float smem[];
    float *score = smem, *query = smem + S, *part = smem + S + D;
    const int row = blockIdx.x;
    const size_t base = (size_t)blockIdx.y * S * D;
    for (int d = threadIdx.x; d < D; d += blockDim.x)
        query[d] = q[base + (size_t)row * D + d];
    __syncthreads();
    const float root = sqrtf((float)D);
    float m = -INFINITY;
    for (int j = threadIdx.x; j < S; j += blockDim.x) {
        float s = 0.f;
        for (int d = 0; d < D; d++)
            s += query[d] * k[base + (size_t)j * D + d];
        score[j] = s / root + (float)(row - j);
        m = fmaxf(m, score[j]);
    }
    m = reduce(m, part, true);
    float sum = 0.f;
    for (int j = threadIdx.x; j < S; j += blockDim.x)
        sum += score[j] = expf(score[j] - m);
    sum = reduce(sum, part, false);
    for (int d = threadIdx.x; d < D; d += blockDim.x) {
        float acc = 0.f;
        for (int j = 0; j < S; j++)
            acc += score[j] * v[base + (size_t)j * D + d];
        o[base + (size_t)row * D + d] = acc / sum;
    }
}
