/* @plan
{ "launch": [ { "kernel": "softmax_coalesced", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
__device__ float warp_max(float m)
{
    for (int offset = 16; offset > 0; offset /= 2)
        m = fmaxf(m, __shfl_xor_sync(0xffffffffu, m, offset));
    return m;
}

__device__ float warp_sum(float s)
{
    for (int offset = 16; offset > 0; offset /= 2)
        s += __shfl_xor_sync(0xffffffffu, s, offset);
    return s;
}

extern "C" __global__ void softmax_coalesced(const float *__restrict__ x, float *__restrict__ y, int N)
{
    __shared__ float maxima[8], sums[8];
    const float *row = x + (size_t)blockIdx.x * N;
    float *out = y + (size_t)blockIdx.x * N;
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;

    float m = -INFINITY;
    for (int i = threadIdx.x; i < N; i += blockDim.x)
        m = fmaxf(m, row[i]);
    m = warp_max(m);
    if (lane == 0)
        maxima[warp] = m;
    __syncthreads();
    for (int w = 0; w < 8; w++)
        m = fmaxf(m, maxima[w]);

    float s = 0.0f;
    for (int i = threadIdx.x; i < N; i += blockDim.x) {
        float e = expf(row[i] - m);
        out[i] = e;
        s += e;
    }
    s = warp_sum(s);
    if (lane == 0)
        sums[warp] = s;
    __syncthreads();
    s = 0.0f;
    for (int w = 0; w < 8; w++)
        s += sums[w];

    float r = 1.0f / s;
    for (int i = threadIdx.x; i < N; i += blockDim.x)
        out[i] *= r;
}
