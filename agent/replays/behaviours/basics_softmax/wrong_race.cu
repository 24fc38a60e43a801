/* @plan
{ "launch": [ { "kernel": "softmax_race", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
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

extern "C" __global__ void softmax_race(const float *__restrict__ x, float *__restrict__ y, int N)
{
    __shared__ float part[8];
    const float *row = x + (size_t)blockIdx.x * N;
    float *out = y + (size_t)blockIdx.x * N;
    int chunk = (N + blockDim.x - 1) / blockDim.x;
    int first = min(N, (int)threadIdx.x * chunk), last = min(N, first + chunk);
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;

    float m = -INFINITY;
    for (int i = first; i < last; i++)
        m = fmaxf(m, row[i]);
    m = warp_max(m);
    if (lane == 0)
        part[warp] = m;
    __syncthreads();
    for (int w = 0; w < 8; w++)
        m = fmaxf(m, part[w]);

    float s = 0.0f;
    for (int i = first; i < last; i++) {
        float e = expf(row[i] - m);
        out[i] = e;
        s += e;
    }
    s = warp_sum(s);
    if (lane == 0)
        part[warp] = s;
    __syncthreads();
    s = 0.0f;
    for (int w = 0; w < 8; w++)
        s += part[w];

    for (int i = first; i < last; i++)
        out[i] = out[i] / s;
}
