/* @plan
{ "tune":   { "BLOCK": [512, 256, 128, 1024] },
  "launch": [ { "kernel": "softmax_registers", "grid": ["B"], "block": ["BLOCK"], "args": ["x", "y"] } ] }
*/
constexpr int N = DIM_N;
constexpr int WIDTH = N % 4 == 0 ? 4 : 1;                 /* floats in one access */
constexpr int COUNT = N / WIDTH;                          /* accesses in a row */
constexpr int STEPS = (COUNT + BLOCK - 1) / BLOCK;        /* accesses of a thread */
constexpr int WARPS = BLOCK / 32;
constexpr float LOG2E = 1.4426950408889634f;

struct alignas(4 * WIDTH) pack {
    float f[WIDTH];
};

/* The result in every thread. Each call has its own buffer, so that no second barrier is needed. */
template <typename Op>
__device__ __forceinline__ float block_reduce(float v, float *part, Op op)
{
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2)
        v = op(v, __shfl_xor_sync(0xffffffffu, v, offset));
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = v;
    __syncthreads();
    v = part[0];
#pragma unroll
    for (int w = 1; w < WARPS; w++)
        v = op(v, part[w]);
    return v;
}

extern "C" __global__ void __launch_bounds__(BLOCK)
softmax_registers(const float *__restrict__ x, float *__restrict__ y)
{
    __shared__ float maxima[WARPS], sums[WARPS];
    const pack *in = reinterpret_cast<const pack *>(x) + (size_t)blockIdx.x * COUNT;
    pack *out = reinterpret_cast<pack *>(y) + (size_t)blockIdx.x * COUNT;
    pack v[STEPS];

    float m = -INFINITY;
#pragma unroll
    for (int k = 0; k < STEPS; k++) {
        int i = k * BLOCK + threadIdx.x;
        if (i < COUNT)
            v[k] = in[i];
        else
            for (int e = 0; e < WIDTH; e++)
                v[k].f[e] = -INFINITY;
#pragma unroll
        for (int e = 0; e < WIDTH; e++)
            m = fmaxf(m, v[k].f[e]);
    }
    m = block_reduce(m, maxima, [](float a, float b) { return fmaxf(a, b); });

    float s = 0.0f;
#pragma unroll
    for (int k = 0; k < STEPS; k++) {
#pragma unroll
        for (int e = 0; e < WIDTH; e++) {
            v[k].f[e] = exp2f((v[k].f[e] - m) * LOG2E);
            s += v[k].f[e];
        }
    }
    s = block_reduce(s, sums, [](float a, float b) { return a + b; });

    float r = 1.0f / s;
#pragma unroll
    for (int k = 0; k < STEPS; k++) {
        int i = k * BLOCK + threadIdx.x;
#pragma unroll
        for (int e = 0; e < WIDTH; e++)
            v[k].f[e] *= r;
        if (i < COUNT)
            out[i] = v[k];
    }
}
