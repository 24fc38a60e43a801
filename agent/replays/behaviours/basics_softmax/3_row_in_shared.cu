/* @plan
{ "launch": [ { "kernel": "softmax_row_in_shared", "grid": ["B"], "block": [256], "shared": "N * 4", "args": ["x", "y", "N"] } ] }
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

extern "C" __global__ void softmax_row_in_shared(const float *__restrict__ x, float *__restrict__ y, int N)
{
    extern __shared__ float row[]; /* N floats; a thread only touches its own elements */
    __shared__ float maxima[8], sums[8];
    size_t base = (size_t)blockIdx.x * N;
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;

    float m = -INFINITY;
    for (int i = threadIdx.x; i < N; i += blockDim.x) {
        float v = x[base + i];
        row[i] = v;
        m = fmaxf(m, v);
    }
    m = warp_max(m);
    if (lane == 0)
        maxima[warp] = m;
    __syncthreads();
    m = warp_max(maxima[lane % 8]);

    float s = 0.0f;
    for (int i = threadIdx.x; i < N; i += blockDim.x) {
        float e = expf(row[i] - m);
        row[i] = e;
        s += e;
    }
    s = warp_sum(s);
    if (lane == 0)
        sums[warp] = s;
    __syncthreads();

    float r = 1.0f / warp_sum(lane < 8 ? sums[lane] : 0.0f);
    for (int i = threadIdx.x; i < N; i += blockDim.x)
        y[base + i] = row[i] * r;
}
